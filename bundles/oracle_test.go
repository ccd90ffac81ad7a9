package bundles

import (
	"maps"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/policies"
)

// oracle says in plain Go what the floor must answer. It reads facts and
// nothing else, and is written from the design, not from the Rego.
type oracle struct {
	in        policies.Input
	client    *policies.Principal
	subject   *policies.Principal
	chain     []*policies.Principal // beside token.Chain, nil where unknown
	token     *policies.Token       // the one presented, nil if none
	alone     bool                  // an agent asking for itself
	grant     *policies.Authorization
	person    bool      // a person granted what is presented
	visit     bool      // a person is at a page, or is to come there
	away      bool      // which is not where the client is
	inquiries []inquiry // details of which a user is asked
	codes     map[string]bool
}

// verdict is what an answer is compared with.
type verdict struct {
	Codes    []string
	Scopes   []string
	Resource string
	Audience string
	TTL      int64
	Ends     int64
	Subject  string
	Chain    []string
	Removed  []string // scope and code, of what was narrowed away
	Again    bool     // a refresh token goes with it
	Details  []string // JSON

	Identity []string // names of claims that are released, and how long an ID token with them lives

	// Of a client that asks for a user.
	Ask    string
	SignIn []string
	Offers []string // resource server, scope and state
	Grants []string // resource server and scope
	Until  int64
	Once   []string // resource servers

	Services []string // whose events are followed
}

func value[T any](f *policies.Fact[T]) *T {
	if f == nil {
		return nil
	}
	return &f.Value
}

func judge(in policies.Input) verdict {
	o := &oracle{
		in: in, client: value(in.Client), subject: value(in.Subject), token: in.Parent,
		alone: in.Action == policies.IssueClientCredentials, grant: in.Authorization, codes: map[string]bool{},
		person: slices.Contains(peoples, in.Action),
		away:   in.Action == policies.AskApproval || in.Action == policies.ShowApproval || in.Action == policies.AnswerApproval,
		visit:  policies.Kind(in.Action) == policies.KindAuthorize,
	}
	if in.Token != nil {
		o.token = in.Token
	}
	for _, f := range in.Chain {
		o.chain = append(o.chain, value(f))
	}
	var v verdict
	switch policies.Kind(in.Action) {
	case policies.KindIssue:
		v = o.issue()
	case policies.KindAuthorize:
		v = o.authorize()
	case policies.KindIntrospect:
		v = o.introspect()
	case policies.KindAdmin:
		v.TTL = o.admin()
	case policies.KindUserinfo:
		v = o.userinfo()
	case policies.KindRevoke:
		o.revoke()
	case policies.KindAccount:
		o.account()
	case policies.KindEvents:
		v = o.events()
	case policies.KindAccess:
		v = o.access()
	}
	v.Codes = slices.Sorted(maps.Keys(o.codes))
	return v
}

func (o *oracle) refuse(code string, when bool) {
	if when {
		o.codes[code] = true
	}
}

func (o *oracle) issue() verdict {
	types := map[string]string{
		policies.IssueClientCredentials: "client_credentials",
		policies.IssueTokenExchange:     "urn:ietf:params:oauth:grant-type:token-exchange",
		policies.IssueAuthorizationCode: "authorization_code",
		policies.IssueRefreshToken:      "refresh_token",
		policies.IssueCIBA:              "urn:openid:params:grant-type:ciba",
		policies.IssueDevice:            "urn:ietf:params:oauth:grant-type:device_code",
	}
	grantType, known := types[o.in.Action]
	o.refuse("action_unknown", !known)
	o.refuse("grant_type_not_allowed", o.client == nil || !slices.Contains(o.client.GrantTypes, grantType))
	o.refuse("credential_unknown", !o.proven())
	o.refuse("token_unexpected", (o.alone || o.person) && o.token != nil)

	o.standing()
	if !o.alone && !o.person {
		o.live()
	}
	audience := o.audience()
	o.authorized(audience)
	o.carriedOut(audience)
	v := verdict{}
	x := o.details(audience)
	v.Scopes, v.Removed = o.scopes(audience, x)
	var removed []string
	v.Details, removed = x.grant(v.Scopes)
	v.Removed = append(v.Removed, removed...)
	slices.Sort(v.Removed)
	v.Removed = slices.Compact(v.Removed)
	v.TTL, v.Ends = o.lifetime(audience)
	v.Subject, v.Chain = o.delegation(audience)
	v.Again = o.person && o.client != nil && slices.Contains(o.client.GrantTypes, "refresh_token")
	if audience != nil {
		v.Resource, v.Audience = audience.ID, audience.Identifier
	}
	v.Identity = o.identity(v.TTL)
	return v
}

func (o *oracle) proven() bool {
	c := o.in.Credential
	if c.ID != "" && slices.Contains([]string{"client_secret_basic", "client_secret_post", "private_key_jwt"}, c.Method) {
		return true
	}
	if o.pushed() {
		return true
	}
	return o.person && c.Method == "none" && o.client != nil && o.client.Public && o.grant != nil && o.grant.PKCE == "ok"
}

// authorized looks at what a person granted.
func (o *oracle) authorized(at *policies.Resource) {
	g := o.grant
	unanswered := o.in.Approval != nil && o.in.Approval.State != "approved"
	o.refuse("authorization_unusable", o.person && g == nil && !unanswered)
	o.refuse("authorization_unexpected", !o.person && g != nil)
	if g == nil {
		return
	}
	if kind, presented := kinds[o.in.Action]; presented {
		o.refuse("authorization_unusable", g.Kind != kind)
	}
	o.refuse("authorization_foreign", o.client == nil || g.Client != o.client.ID)
	o.refuse("authorization_expired", !o.ahead(g.ExpiresAt))
	o.refuse("authorization_ended", g.Revoked || !o.ahead(g.EndsAt))
	o.refuse("authorization_used", g.Used)
	o.refuse("redirect_mismatch", !g.RedirectOK)
	o.refuse("pkce_failed", g.PKCE != "ok")
	o.refuse("resource_not_authorized", at != nil && !slices.Contains(g.Resources, at.ID))
}

// audience finds the one server the token is for, nil if there is none.
func (o *oracle) audience() *policies.Resource {
	var found *policies.Resource
	switch named := o.in.Request.Resources; {
	case named == nil:
		o.refuse("resource_required", true)
	case len(named) > 1:
		o.refuse("resource_several", true)
	case len(named) == 1:
		for _, f := range o.in.Resources {
			if r := value(f); r != nil && r.Identifier == named[0] {
				found = r
			}
		}
		o.refuse("resource_unknown", found == nil)
	case o.visit && slices.Contains(o.asked(), "openid"):
		found = o.besides()
	default:
		found = o.onlyFit(o.asked(), o.in.Resources)
	}
	o.refuse("resource_inactive", found != nil && found.Status != "active")
	return found
}

func (o *oracle) onlyFit(asked []string, candidates []*policies.Fact[policies.Resource]) *policies.Resource {
	var fitting []*policies.Resource
	for _, f := range candidates {
		if r := value(f); r != nil && o.fits(r, asked) {
			fitting = append(fitting, r)
		}
	}
	var found *policies.Resource
	switch {
	case len(fitting) == 1:
		found = fitting[0]
	case len(fitting) == 0 && len(candidates) == 1:
		found = value(candidates[0])
	}
	o.refuse("resource_ambiguous", len(fitting) > 1)
	o.refuse("resource_required", found == nil && len(fitting) < 2)
	return found
}

func (o *oracle) fits(r *policies.Resource, asked []string) bool {
	if asked == nil || o.client == nil {
		return false
	}
	if len(asked) == 0 {
		return len(o.client.Defaults[r.ID]) > 0
	}
	for _, s := range asked {
		if !defines(r, s) || !holds(o.client.Scopes, r.ID, s) {
			return false
		}
	}
	return true
}

func defines(r *policies.Resource, scope string) bool {
	return slices.Contains([]string{"low", "medium", "high"}, r.Scopes[scope].Risk)
}

func holds(reach map[string]map[string][]string, server, scope string) bool {
	return len(reach[server][scope]) > 0
}

// scopes is the intersection; on the way it names everyone who lacks something. What
// a person granted is narrowed, as long as something is left.
func (o *oracle) scopes(at *policies.Resource, x *details) (granted, removed []string) {
	asked := o.requested(at)
	o.refuse("scope_required", len(asked) == 0)
	held, codes := map[string]bool{}, map[string]bool{}
	for _, s := range asked {
		lacking := o.lacking(at, s)
		if at != nil && x.bare(s) {
			lacking = append(lacking, "details_missing")
		}
		for _, code := range lacking {
			codes[code], codes[s+" "+code] = true, true
		}
		if len(lacking) == 0 {
			held[s] = true
		}
	}
	o.refuse("nothing_left", o.person && !x.named && o.in.Request.Scopes != nil && len(o.in.Request.Scopes) == 0 && len(held) == 0)
	for code := range codes {
		told := strings.Contains(code, " ")
		switch narrows := o.person && len(held) > 0; {
		case narrows && told:
			removed = append(removed, code)
		case !narrows && !told:
			o.refuse(code, true)
		}
	}
	slices.Sort(removed)
	return slices.Sorted(maps.Keys(held)), removed
}

func (o *oracle) requested(at *policies.Resource) []string {
	asked := o.in.Request.Scopes
	switch {
	case asked == nil || len(asked) > 0 || at == nil:
		return asked
	case o.person && o.grant != nil:
		return slices.Sorted(maps.Keys(o.grant.Scopes[at.ID]))
	case !o.person && o.client != nil:
		return o.client.Defaults[at.ID]
	}
	return nil
}

func (o *oracle) lacking(at *policies.Resource, scope string) []string {
	if at == nil {
		return []string{"scope_unknown"}
	}
	var codes []string
	lack := func(code string, when bool) {
		if when {
			codes = append(codes, code)
		}
	}
	lack("scope_unknown", !defines(at, scope))
	lack("scope_not_held", o.client == nil || !holds(o.client.Scopes, at.ID, scope))
	if !o.alone {
		lack("scope_not_held", o.subject == nil || !holds(o.subject.Scopes, at.ID, scope))
		lack("scope_not_in_parent", !o.person && (o.in.Parent == nil || !holds(o.in.Parent.Scopes, at.ID, scope)))
		lack("scope_not_authorized", o.person && (o.grant == nil || !holds(o.grant.Scopes, at.ID, scope)))
		lack("scope_not_consented", !o.agreed(at.ID, scope))
		lack("approval_required", !o.ofNoPerson() && at.Scopes[scope].Risk == "high" && !o.approved(at.ID, scope))
	}
	if o.in.Parent != nil {
		for i := range o.in.Parent.Chain {
			p := o.actor(i)
			lack("scope_not_held", p == nil || !holds(p.Scopes, at.ID, scope))
		}
	}
	return codes
}

// ofNoPerson: what is done is done on the authority of an agent or application.
func (o *oracle) ofNoPerson() bool {
	return o.alone || o.subject != nil && (o.subject.Kind == "agent" || o.subject.Kind == "application")
}

// agreed: a user let the client that began do this, or what leads to it.
func (o *oracle) agreed(server, scope string) bool {
	if o.ofNoPerson() {
		return true
	}
	c := o.in.Consent
	if c == nil || c.Revoked || !o.ahead(c.ExpiresAt) || !c.RedirectsOK || o.subject == nil || c.Subject != o.subject.ID {
		return false
	}
	if o.person {
		return o.client != nil && c.Client == o.client.ID && c.Resource == server && c.Scopes[scope]
	}
	if o.token == nil || len(o.token.Chain) == 0 || c.Client != o.token.Chain[len(o.token.Chain)-1] {
		return false
	}
	return holds(c.Reach, server, scope)
}

// delegation says who acts for whom in the new token.
func (o *oracle) delegation(at *policies.Resource) (subject string, chain []string) {
	defer func() {
		deep := at != nil && chain != nil && (len(chain) > at.MaxDepth || len(chain) > policies.Ceiling)
		o.refuse("chain_too_deep", deep)
	}()
	o.refuse("actor_token_foreign", !o.ownActorToken())
	if o.alone {
		if o.client != nil {
			subject = o.client.ID
		}
		return subject, []string{}
	}
	if o.person {
		if o.grant != nil {
			subject = o.grant.Subject
		}
		if o.client == nil {
			o.refuse("chain_unknown", true)
			return subject, nil
		}
		return subject, []string{o.client.ID}
	}
	parent := o.in.Parent
	o.refuse("not_entitled", !o.entitled())
	if parent == nil || parent.Chain == nil || o.client == nil {
		o.refuse("chain_unknown", true)
		return "", nil
	}
	chain = parent.Chain
	if len(chain) == 0 || chain[0] != o.client.ID {
		chain = append([]string{o.client.ID}, chain...)
	}
	distinct := map[string]bool{}
	for _, id := range chain {
		distinct[id] = true
	}
	o.refuse("chain_circular", len(distinct) < len(chain))
	return parent.Subject, chain
}

func (o *oracle) entitled() bool {
	p := o.in.Parent
	return p != nil && o.client != nil && (p.Client == o.client.ID || p.Audience.Operator == o.client.ID)
}

func (o *oracle) ownActorToken() bool {
	t := o.in.Request.ActorToken
	if t == nil {
		return true
	}
	return o.client != nil && t.Subject == o.client.ID && t.Client == o.client.ID && t.Problem == "" &&
		t.Chain != nil && len(t.Chain) == 0 && !t.Revoked && o.ahead(t.Expires)
}

// lifetime is the least of everything the token hangs from, and when it ends if
// somebody or something ends before the token has had all it may have.
func (o *oracle) lifetime(at *policies.Resource) (ttl, ends int64) {
	// 0 is how Go leaves out what a client was never given.
	unknown := at == nil || o.client == nil || o.client.MaxTTL == 0 ||
		!o.alone && (o.subject == nil || o.in.Parent == nil && (!o.person || o.grant == nil))
	o.refuse("lifetime_unknown", unknown)
	if unknown {
		return 0, 0
	}
	left := func(moment int64) int64 { return moment - o.in.Now }
	bounds := []int64{at.TokenTTL, o.client.MaxTTL}
	if asked := o.in.Request.RequestedTTL; asked != 0 {
		bounds = append(bounds, asked)
	}
	most := slices.Min(bounds)
	if o.in.Parent != nil {
		bounds = append(bounds, left(o.in.Parent.Expires), left(o.in.Parent.Grant.ExpiresAt))
	}
	if o.grant != nil {
		bounds = append(bounds, left(o.grant.EndsAt))
	}
	if o.in.Consent != nil {
		bounds = append(bounds, left(o.in.Consent.ExpiresAt))
	}
	if a := o.in.Approval; a != nil && a.Until != 0 {
		bounds = append(bounds, left(a.Until))
	}
	for _, p := range slices.Concat(o.chain, []*policies.Principal{o.client, o.subject}) {
		if p == nil {
			continue
		}
		bounds = append(bounds, left(p.ExpiresAt))
		if p.Owner != nil {
			bounds = append(bounds, left(p.Owner.ExpiresAt))
		}
	}
	ttl = slices.Min(bounds)
	o.refuse("lifetime_exhausted", ttl < 1)
	if ttl < most {
		ends = o.in.Now + ttl
	}
	return ttl, ends
}

func (o *oracle) ahead(moment int64) bool { return moment > o.in.Now }
