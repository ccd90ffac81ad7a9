package bundles

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/deputyauth/deputy/policies"
)

const (
	worldNow  = int64(1000)
	selfID    = "rsv_deputy"
	openID    = "rsv_openid"
	exchange  = "urn:ietf:params:oauth:grant-type:token-exchange"
	oneServer = "rsv_1"
	twoServer = "rsv_2"
)

// world draws one question. Universes are small so that names collide, and most
// facts are in order, so that a fair share is allowed; noise is the percentage
// of facts that are not. Everything shrinks towards order.
type world struct {
	t      *rapid.T
	noise  int
	always bool // with authorization details
	same   policies.Detail
}

func worlds(actions ...string) *rapid.Generator[policies.Input] {
	return rapid.Custom(func(t *rapid.T) policies.Input {
		w := &world{t: t, noise: rapid.SampledFrom([]int{0, 0, 0, 1, 2, 4, 15}).Draw(t, "noise")}
		return w.question(rapid.SampledFrom(actions).Draw(t, "action"))
	})
}

func issueWorlds() *rapid.Generator[policies.Input] {
	return worlds(policies.IssueClientCredentials, policies.IssueTokenExchange, policies.IssueTokenExchange,
		policies.IssueAuthorizationCode, policies.IssueRefreshToken, policies.IssueCIBA, policies.IssueDevice)
}

func otherWorlds() *rapid.Generator[policies.Input] {
	return worlds(policies.Introspect, policies.Revoke, policies.Leaked, "admin:listClients", "admin:createClient", "admin:makeMeKing", "admin:rotateOwnCredential",
		policies.Authorize, policies.Authorize, policies.AnswerConsent, policies.AskApproval, policies.AskApproval, policies.ShowApproval, policies.AnswerApproval, policies.Userinfo, "account:removePasskey", "account:endSession", "account:offerAgent", policies.Follow, policies.Evaluate, policies.Evaluate)
}

func (w *world) bad(what string) bool {
	return rapid.IntRange(0, 99).Draw(w.t, what) >= 100-w.noise
}

func (w *world) upTo(n int, what string) int { return rapid.IntRange(0, n).Draw(w.t, what) }

func (w *world) coin(what string) bool { return rapid.Bool().Draw(w.t, what) }

// either draws from order, or, if noise has it, from disorder.
func either[T any](w *world, what string, order, disorder []T) T {
	if w.bad(what) {
		return rapid.SampledFrom(disorder).Draw(w.t, what)
	}
	return rapid.SampledFrom(order).Draw(w.t, what)
}

func (w *world) question(action string) policies.Input {
	in := w.anyQuestion(action)
	w.detailed(&in)
	if w.coin("usual") {
		usual(&in)
	}
	return in
}

// usual brings a question into the form the server nearly always puts it in.
func usual(in *policies.Input) {
	if in.Credential.ID == "" && policies.Kind(in.Action) != policies.KindIssue {
		in.Credential = policies.Credential{ID: "crd_1", Method: "client_secret_basic"}
	}
	in.Request.ActorToken, in.Request.RequestedTTL = nil, 0
	if in.Subject != nil && in.Subject.Value.Kind != "user" {
		in.Consent = nil
	}
	if len(in.Request.Resources) == 1 {
		in.Resources = slices.DeleteFunc(in.Resources, func(r *policies.Fact[policies.Resource]) bool {
			return r != nil && r.Value.ID != openID && r.Value.Identifier != in.Request.Resources[0]
		})
	}
}

func (w *world) anyQuestion(action string) policies.Input {
	kind := policies.Kind(action)
	if kind == policies.KindAccount {
		return w.accounted(action)
	}
	if kind == policies.KindEvents {
		return w.followed()
	}
	if kind == policies.KindAccess {
		return w.evaluated()
	}
	servers := []string{oneServer, twoServer}
	if kind == policies.KindAdmin {
		servers = []string{selfID, oneServer}
	}
	if kind == policies.KindUserinfo {
		servers = []string{openID, oneServer}
	}
	if kind == policies.KindAuthorize || slices.Contains(peoples, action) {
		servers = append(servers, openID)
	}
	ids := rapid.Permutation(agents()).Draw(w.t, "ids")
	client := w.principal(ids[0], w.coin("agent"), servers)
	client.Public = w.coin("public")
	in := policies.Input{Action: action, Now: worldNow, Client: fact(w, "client", client)}
	if kind == policies.KindIssue {
		if w.bad("action") {
			in.Action = "issue:access_token:password"
		}
		in.Request, in.Resources = w.request(ids[0])
		in.Credential = policies.Credential{
			ID:     either(w, "credential", []string{"crd_1"}, []string{""}),
			Method: either(w, "method", []string{"private_key_jwt", "client_secret_basic", "client_secret_post"}, []string{"", "none"}),
		}
	}
	if slices.Contains(peoples, action) {
		return w.granted(in, client.ID, servers)
	}
	if kind == policies.KindAuthorize {
		return w.visited(in, client.ID, servers)
	}
	if kind == policies.KindAdmin {
		in.Request.Scopes = either(w, "conferred", [][]string{{}, {}, scopesOf(selfID)[:1], scopesOf(selfID)}, [][]string{nil, {"keys:write"}, {"effect:stops_client"}, {"effect:moves_service"}})
	}
	if kind == policies.KindAdmin && w.coin("renewal") {
		in.Request.Renewal = &policies.Renewal{
			Overlap: either(w, "overlap", []int64{3600, 86400, 2592000}, []int64{-1, 0, 3599, 2592001}),
			Life:    either(w, "life", []int64{1, 86400, policies.Never}, []int64{-1, 0, policies.Never + 1}),
		}
	}
	if action == policies.IssueClientCredentials && !w.bad("token") {
		return in
	}
	subject, token, chain := w.token(ids, servers, kind)
	in.Subject, in.Chain = fact(w, "subject", subject), chain
	switch {
	case w.bad("token"):
	case kind == policies.KindIssue:
		in.Parent = token
	default:
		in.Token = token
	}
	if subject.Kind == "user" || w.coin("consent of an agent") {
		in.Consent = w.consent(beganBy(token, client.ID), token.Subject, servers)
	}
	if kind == policies.KindIssue && w.bad("stray authorization") {
		in.Authorization = w.authorization(client.ID, token.Subject, servers)
	}
	if kind == policies.KindRevoke && w.coin("what a person granted") {
		in.Authorization = w.authorization(client.ID, token.Subject, servers)
		if !w.bad("a token too") {
			in.Token, in.Subject, in.Chain = nil, nil, nil
		}
	}
	return in
}
