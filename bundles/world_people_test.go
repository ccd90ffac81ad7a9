package bundles

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

// beganBy is the client that a user was asked about.
func beganBy(t *policies.Token, client string) string {
	if len(t.Chain) == 0 {
		return client
	}
	return t.Chain[len(t.Chain)-1]
}

// granted is the question of a client that brings what a user granted it.
func (w *world) granted(in policies.Input, client string, servers []string) policies.Input {
	user := w.principal("usr_1", false, servers)
	user.Kind, user.Owner = either(w, "granted by", []string{"user"}, []string{"agent", "application"}), nil
	in.Subject = fact(w, "subject", user)
	if in.Client != nil && in.Client.Value.Public && w.coin("no credential") {
		in.Credential = policies.Credential{Method: "none"}
	}
	if !w.bad("authorization") {
		in.Authorization = w.authorization(client, user.ID, servers)
	}
	in.Consent = w.consent(client, user.ID, servers)
	if in.Action == policies.IssueCIBA || in.Action == policies.IssueDevice {
		w.approved(&in, client, user.ID)
	}
	if c := w.consent(client, user.ID, servers); c != nil && w.coin("identified") {
		c.Resource, c.Scopes = either(w, "identified at", []string{openID}, servers), map[string]bool{"openid": !w.bad("openid"), "email": w.coin("email")}
		in.Consents = []*policies.Consent{c}
	}
	if len(in.Request.Scopes) > 0 && w.coin("identity asked") {
		in.Request.Scopes = append(slices.Clone(in.Request.Scopes), "openid")
	}
	if w.bad("token") {
		_, in.Parent, _ = w.token(agents(), servers, policies.KindIssue)
	}
	return in
}

// visited is the question of a client that asks for a user, or of the user's answer.
func (w *world) visited(in policies.Input, client string, servers []string) policies.Input {
	in.Request, in.Resources = w.request(client)
	in.Request.ActorToken, in.Request.RequestedTTL = nil, 0
	if w.coin("userinfo known") {
		in.Resources = slices.Insert(in.Resources, w.upTo(len(in.Resources), "place"), fact(w, "userinfo", w.resource(openID)))
	}
	in.Request.Scopes = append(in.Request.Scopes[:len(in.Request.Scopes):len(in.Request.Scopes)],
		rapid.SampledFrom([][]string{nil, nil, {"openid"}, {"openid", "email"}, {"offline_access"}}).Draw(w.t, "who")...)
	if !w.bad("visit") {
		in.Request.Visit = w.visit()
	}
	if user := w.principal("usr_1", false, servers); !w.bad("nobody") {
		user.Kind, user.Owner = either(w, "asked of", []string{"user"}, []string{"agent", "application"}), nil
		in.Subject = fact(w, "subject", user)
		in.Session = &policies.Session{AuthTime: either(w, "auth time", []int64{worldNow - 100, worldNow}, []int64{0}), ACR: either(w, "acr", []string{"1"}, []string{"2"})}
	}
	for range w.upTo(2, "consents") {
		if c := w.consent(client, "usr_1", servers); c != nil {
			in.Consents = append(in.Consents, c)
		}
	}
	if kind := policies.Kind(in.Action); kind == policies.KindAuthorize && in.Action != policies.Authorize && in.Action != policies.AnswerConsent {
		w.away(&in, client)
	}
	if in.Action == policies.AnswerConsent || in.Action == policies.AnswerApproval {
		read, write := policies.Grants{Resource: oneServer, Scope: "read"}, policies.Grants{Resource: twoServer, Scope: "write"}
		in.Request.Answer = &policies.Answer{
			Scopes: either(w, "ticked", [][]policies.Grants{{read}, {read, {Resource: oneServer, Scope: "write"}}, {write}}, [][]policies.Grants{nil, {{Resource: oneServer, Scope: "ghost"}}}),
			Until:  either(w, "until", []int64{worldNow + 1, worldNow + 40}, []int64{0, worldNow, worldNow + 5001}),
		}
	}
	return in
}

func (w *world) visit() *policies.Visit {
	v := &policies.Visit{
		RedirectOK: !w.bad("redirect"), PKCE: either(w, "pkce", []string{"ok"}, []string{"missing", "plain"}), Began: worldNow - 10,
		Prompt:    either(w, "prompt", [][]string{nil, {}, {"login"}}, [][]string{{"none"}, {"consent"}, {"select_account", "consent"}}),
		ACRValues: either(w, "acr values", [][]string{nil, {}, {"1"}}, [][]string{{"3", "4"}}),
	}
	if w.coin("hint") {
		v.Subject = either(w, "hinted", []string{"usr_1"}, []string{"usr_2"})
	}
	if w.coin("max age") {
		v.MaxAge = new(either(w, "max age", []int64{100, 3600}, []int64{0, 50}))
	}
	return v
}

// approved is what a person answered elsewhere, and the client now brings.
func (w *world) approved(in *policies.Input, client, user string) {
	kind := kinds[in.Action]
	a := w.approval(kind, client, user, []string{"approved", "approved", "pending"})
	in.Approval = a
	if in.Authorization != nil && !w.bad("kind of grant") {
		in.Authorization.Kind = kind
	}
	if w.coin("pushed") {
		a.Delivery = either(w, "delivered by", []string{"push"}, []string{"ping"})
		in.Credential = policies.Credential{Method: either(w, "told by", []string{"push"}, []string{"none"})}
	}
	if in.Consent != nil && !w.bad("consent to another") {
		in.Consent.Approval = a.ID
	}
	if w.bad("approval") {
		in.Approval = nil
	}
	if a.State == "pending" && !w.bad("granted early") {
		in.Authorization, in.Consent = nil, nil
	}
}

// away makes of a question at a page one to somebody elsewhere.
func (w *world) away(in *policies.Input, client string) {
	if !w.bad("at a page too") {
		in.Request.Visit = nil
	}
	a := w.approval(rapid.SampledFrom([]string{"ciba", "device"}).Draw(w.t, "asked by"), client, "usr_1", []string{"pending"})
	in.Approval = a
	if w.bad("approval") {
		in.Approval = nil
	}
	if in.Action == policies.AskApproval {
		in.Session, in.Consents = nil, nil
		if a.Kind == "device" && !w.bad("device of somebody") {
			a.Subject, in.Subject = "", nil
		}
		if a.Kind == "ciba" && !w.bad("acquaintance") {
			in.Acquaintance = &policies.Acquaintance{
				Known: either(w, "known", []string{"owner", "consent", "listed"}, []string{""}), Reached: !w.bad("unreached"), UserCode: either(w, "user code", []string{"none", "ok"}, []string{"missing", "wrong"}),
				Waiting: either(w, "waiting", []int64{0, 19}, []int64{20}), Pending: either(w, "pending", []int64{0, 2}, []int64{3}),
				Asked: either(w, "asked", []int64{0, 11}, []int64{12}), Denials: either(w, "denials", []int64{0, 2}, []int64{3}),
				DeniedAt: either(w, "denied", []int64{0, worldNow - 60}, []int64{worldNow - 59}), ReportedAt: either(w, "reported", []int64{0}, []int64{1}),
			}
		}
	}
}

func (w *world) approval(kind, client, user string, states []string) *policies.Approval {
	return &policies.Approval{
		ID: "apr_1", Kind: kind, Client: either(w, "approval of", []string{client}, agents()), Subject: either(w, "asked", []string{user}, []string{"usr_2", ""}),
		State: either(w, "state", states, []string{"approved", "denied", "cancelled"}), Delivery: either(w, "delivery", []string{"poll", "ping"}, []string{"push", ""}), ACRValues: either(w, "acr asked", [][]string{{}, {"1"}}, [][]string{{"3"}, nil}),
		CreatedAt: worldNow - 20, ExpiresAt: w.expiry("approval expires"),
	}
}

func (w *world) authorization(client, subject string, servers []string) *policies.Authorization {
	return &policies.Authorization{
		ID: "gnt_1", Kind: either(w, "granted by way of", []string{"authorization_code"}, []string{"ciba", "device", ""}), Client: either(w, "granted to", []string{client}, agents()), Subject: either(w, "granted for", []string{subject}, []string{"usr_2", ""}),
		Resources: either(w, "granted at", [][]string{servers}, [][]string{nil, servers[:1], servers[1:]}), Scopes: w.reach(servers),
		RedirectOK: !w.bad("redirect"), PKCE: either(w, "pkce", []string{"ok"}, []string{"missing", "wrong", "unexpected"}),
		ExpiresAt: w.expiry("code expires"), EndsAt: w.expiry("grant ends"), Revoked: w.bad("taken back"), Used: w.bad("used"), AuthTime: 900, AMR: []string{"pwd"},
	}
}

func (w *world) consent(client, subject string, servers []string) *policies.Consent {
	if w.bad("consent") {
		return nil
	}
	return &policies.Consent{
		ID: "cns_1", Client: either(w, "consent client", []string{client}, agents()),
		Subject:  either(w, "consent subject", []string{subject}, []string{"usr_2", ""}),
		Resource: rapid.SampledFrom([]string{oneServer, oneServer, twoServer}).Draw(w.t, "consent at"),
		Scopes:   map[string]bool{"read": w.upTo(19, "read") < 19, "write": w.upTo(19, "write") < 19}, ExpiresAt: w.expiry("consent expires"), Revoked: w.bad("consent revoked"),
		RedirectsOK: !w.bad("other redirects"), Approval: rapid.SampledFrom([]string{"", "", "apr_1", "apr_2"}).Draw(w.t, "for one request"), Reach: w.reach(servers),
	}
}
