package tests

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server"
	"github.com/deputyauth/deputy/tests/harness"
)

var feedBy = models.By{System: "test"}

// audience is a world in which two services know an agent, or do not.
type audience struct {
	*harness.Server
	t          *testing.T
	owner, joe *models.User
	desk, shop *harness.Client // operate the services
	help, sale *models.ResourceServer
	agent      *harness.Client // has a token for help only
	token      string
	admin      *harness.Client
}

func newAudience(t *testing.T, dialect string) *audience {
	s := harness.New(t, dialect, harness.Options{})
	a := &audience{Server: s, t: t, owner: s.User("olga"), joe: s.User("joe"), desk: s.Application("desk"), shop: s.Application("shop"), admin: s.Application("root")}
	a.help, a.sale = s.Service("help", a.desk, "ask"), s.Service("sale", a.shop, "buy")
	a.agent = s.Agent("agent", a.owner)
	s.Allow(a.agent.ID, a.help, "ask")
	s.Allow(a.agent.ID, a.sale, "buy")
	s.Allow(a.joe.ID, a.help, "ask")
	s.Allow(a.joe.ID, a.sale, "buy")
	a.token = s.Own(a.agent, a.help.Identifier, "ask")
	require.NoError(t, s.Store.CreateAssignment(t.Context(), feedBy, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: a.admin.ID}))
	return a
}

// all is a token with which everything is followed.
func (a *audience) all() string {
	a.t.Helper()
	return a.Own(a.admin, a.URL+"/api/v1", "events:read")
}

// mark makes a last event that everybody is told of.
func (a *audience) mark() string {
	a.t.Helper()
	k, err := a.Keys.Rotate(a.t.Context(), feedBy, 3600)
	require.NoError(a.t, err)
	return k.ID
}

func created(key string) func(harness.Told) bool {
	return func(t harness.Told) bool { return t.Type == models.EventKeyCreated && t.String("kid") == key }
}

func types(told []harness.Told) (out []string) {
	for _, t := range told {
		if t.Type != models.EventKeyCreated && t.Type != models.EventKeyRetired {
			out = append(out, t.Type)
		}
	}
	return out
}

// Each type of event reaches whom it concerns, and nobody else. The agent holds
// something at help, Joe agreed to something at sale.
func TestEventsReachWhomTheyConcern(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			ctx := context.Background()
			g := a.Grant(a.joe, a.ForPeople(a.agent), map[string][]string{a.sale.ID: {"buy"}}, nil)
			must := func(err error) { t.Helper(); require.NoError(t, err) }
			help, sale, all := a.Follow("", a.desk.As), a.Follow("", a.shop.As), a.Follow("", harness.Bearer(a.all()))
			for _, st := range []*harness.Stream{help, sale, all} {
				require.Equal(t, http.StatusOK, st.Status, st.Header)
			}
			var cred *models.Credential
			other := &models.Consent{ClientID: a.agent.ID, SubjectID: a.joe.ID, ResourceID: a.help.ID, Scopes: []string{"ask"}, ExpiresAt: a.Clock.Now().Unix() + 3600}
			second := a.Own(a.agent, a.help.Identifier, "ask")
			tok, err := a.Keys.Verify(ctx, second)
			must(err)
			_, session, err := a.Store.BeginSession(ctx, feedBy, models.SignIn{Session: models.Session{UserID: a.joe.ID, ExpiresAt: a.Clock.Now().Unix() + 3600, AMR: []string{}}})
			must(err)
			role, group := &models.Role{}, &models.Group{}
			steps := []struct {
				do               func()
				all, help, sale  []string
				member, memberIs string
			}{
				{do: func() { must(a.Store.RevokeToken(ctx, feedBy, tok.ID)) }, all: []string{models.EventTokenRevoked}, help: []string{models.EventTokenRevoked}, member: "jti", memberIs: tok.ID},
				// Who may do more, or less: where that is, if they are known there.
				{do: func() { role = a.Allow(a.agent.ID, a.help, "ask") }, all: []string{models.EventClientAccess}, help: []string{models.EventClientAccess}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { a.Allow(a.agent.ID, a.sale, "buy") }, all: []string{models.EventClientAccess}, sale: []string{models.EventClientAccess}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { a.Allow(a.admin.ID, a.sale, "buy") }, all: []string{models.EventClientAccess}},
				{do: func() { group = modelstest.Group(t, a.Store, "many", a.joe.ID, a.agent.ID) }},
				{do: func() { a.Allow(group.ID, a.sale, "buy") }, all: []string{models.EventGroupAccess}, sale: []string{models.EventGroupAccess}, member: "group_id"},
				{do: func() { must(a.Store.RemoveGroupMember(ctx, feedBy, group.ID, a.joe.ID)) }, all: []string{models.EventUserAccess}, sale: []string{models.EventUserAccess}, member: "sub", memberIs: a.joe.ID},
				{do: func() {
					_, err := a.Store.UpdateRole(ctx, feedBy, role.ID, models.AnyVersion, func(r *models.Role) { r.Scopes = nil })
					must(err)
				}, all: []string{models.EventRoleAccess}, help: []string{models.EventRoleAccess}, member: "role_id"},
				{do: func() { must(a.Store.RevokeSession(ctx, feedBy, a.joe.ID, session.ID)) }, all: []string{models.EventSessionRevoked}, sale: []string{models.EventSessionRevoked}, member: "session_id", memberIs: session.ID},
				{do: func() { _, err := a.Store.SuspendUser(ctx, feedBy, a.joe.ID); must(err) }, all: []string{models.EventUserSuspended}, sale: []string{models.EventUserSuspended}, member: "sub", memberIs: a.joe.ID},
				{do: func() { _, err := a.Store.RestoreUser(ctx, feedBy, a.joe.ID); must(err) }, all: []string{models.EventUserRestored}, sale: []string{models.EventUserRestored}, member: "sub", memberIs: a.joe.ID},
				{do: func() { must(a.Store.GiveConsent(ctx, feedBy, other, []string{"ask"})) }, all: []string{models.EventConsentGiven}, help: []string{models.EventConsentGiven}, member: "sub", memberIs: a.joe.ID},
				{do: func() { must(a.Store.RevokeConsent(ctx, feedBy, other.ID, "")) }, all: []string{models.EventConsentRevoked}, help: []string{models.EventConsentRevoked}, member: "consent_id", memberIs: other.ID},
				{do: func() { must(a.Store.RevokeGrant(ctx, feedBy, g.Grant.ID)) }, all: []string{models.EventGrantRevoked}, sale: []string{models.EventGrantRevoked}, member: "grant_id", memberIs: g.Grant.ID},
				{do: func() { must(a.Store.RevokeConsent(ctx, feedBy, g.Consents[a.sale.ID], "")) }, all: []string{models.EventConsentRevoked}, sale: []string{models.EventConsentRevoked}, member: "client_id", memberIs: a.agent.ID},
				{do: func() {
					cred = &models.Credential{ClientID: a.agent.ID, Kind: models.CredentialSecret}
					_, err := a.Store.CreateCredential(ctx, feedBy, cred)
					must(err)
				}, all: []string{models.EventCredentialCreated}, help: []string{models.EventCredentialCreated}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { must(a.Store.RevokeCredential(ctx, feedBy, a.agent.ID, cred.ID)) }, all: []string{models.EventCredentialRevoked}, help: []string{models.EventCredentialRevoked}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { _, err := a.Store.SuspendClient(ctx, feedBy, a.agent.ID); must(err) }, all: []string{models.EventClientSuspended}, help: []string{models.EventClientSuspended}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { _, err := a.Store.RestoreClient(ctx, feedBy, a.agent.ID); must(err) }, all: []string{models.EventClientRestored}, help: []string{models.EventClientRestored}, member: "client_id", memberIs: a.agent.ID},
				// Who answers for the agent means nothing to help; the agent does.
				{do: func() { _, err := a.Store.SuspendUser(ctx, feedBy, a.owner.ID); must(err) }, all: []string{models.EventClientSuspended, models.EventUserSuspended}, help: []string{models.EventClientSuspended}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { _, err := a.Store.RestoreUser(ctx, feedBy, a.owner.ID); must(err) }, all: []string{models.EventClientRestored, models.EventUserRestored}, help: []string{models.EventClientRestored}, member: "client_id", memberIs: a.agent.ID},
				{do: func() {
					_, err := a.Store.UpdateClient(ctx, feedBy, a.agent.ID, models.AnyVersion, func(c *models.Client) { c.ExpiresAt = a.Clock.Now().Unix() - 1 })
					must(err)
				}, all: []string{models.EventClientExpired}, help: []string{models.EventClientExpired}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { must(a.Store.DecommissionClient(ctx, feedBy, a.agent.ID, models.AnyVersion)) },
					all: []string{models.EventGrantRevoked, models.EventClientRemoved}, help: []string{models.EventGrantRevoked, models.EventClientRemoved}, member: "client_id", memberIs: a.agent.ID},
				{do: func() { a.HasPassword(a.joe) }, all: []string{models.EventCredentialChanged}, member: "sub", memberIs: a.joe.ID},
				{do: func() { must(a.Store.RemoveUser(ctx, feedBy, a.joe.ID, models.AnyVersion)) }, all: []string{models.EventUserRemoved}, member: "sub", memberIs: a.joe.ID},
				{do: func() { must(a.Store.PolicyServes(ctx, feedBy, "f", "h1")) }, all: []string{models.EventPolicyChanged}, help: []string{models.EventPolicyChanged}, sale: []string{models.EventPolicyChanged}, member: "revision", memberIs: "h1"},
				{do: func() { must(a.Store.PolicyServes(ctx, feedBy, "f", "h1")) }},
				{do: func() {
					_, err := a.Store.UpdateResourceServer(ctx, feedBy, a.sale.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
					must(err)
				}, all: []string{models.EventResourceSuspended}, sale: []string{models.EventResourceSuspended}, member: "resource_server_id", memberIs: a.sale.ID},
				{do: func() { a.User("nobody"); a.Application("news") }, all: []string{models.EventCredentialCreated}},
			}
			seen := map[*harness.Stream]int{}
			for i, step := range steps {
				a.Clock.Advance(2 * time.Second) // what ended in the same second still counts
				step.do()
				last := created(a.mark())
				for st, want := range map[*harness.Stream][]string{help: step.help, sale: step.sale, all: step.all} {
					until := st.Until(last)
					told := until[seen[st]:]
					seen[st] = len(until)
					require.ElementsMatch(t, want, types(told), "step %d", i)
					if len(want) == 0 {
						continue
					}
					require.True(t, slices.ContainsFunc(told, func(e harness.Told) bool {
						return step.member == "" || e.String(step.member) == step.memberIs || step.memberIs == "" && e.String(step.member) != ""
					}), "step %d: %v", i, told)
					a.onlyIDs(told, st, map[*harness.Stream]string{help: a.help.Identifier, sale: a.sale.Identifier}[st])
				}
			}
		})
	}
}

// onlyIDs holds events to what they may say, and an audience to itself.
func (a *audience) onlyIDs(told []harness.Told, _ *harness.Stream, self string) {
	a.t.Helper()
	allowed := []string{"id", "type", "time", "caep", "aud", "client_id", "sub", "grant_id", "jti", "txn", "consent_id", "credential_id", "kid", "resource_server_id", "role_id", "group_id", "session_id", "revision"}
	for _, e := range told {
		require.Subset(a.t, allowed, slices.Collect(maps.Keys(e.Data)))
		require.Equal(a.t, e.ID, e.String("id"))
		require.Equal(a.t, e.Type, e.String("type"))
		if aud, ok := e.Data["aud"].([]any); ok && self != "" {
			require.Equal(a.t, []any{self}, aud, "of other services nothing is said")
		}
	}
}

// Who may not follow is told so, on the ledger.
func TestEventsAreNotForEverybody(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			wrong := func(req *http.Request) { req.SetBasicAuth(a.desk.ID, "wrong") }
			cases := map[string]struct {
				auth   func(*http.Request)
				status int
				code   string
			}{
				"nobody":          {func(*http.Request) {}, http.StatusUnauthorized, "invalid_client"},
				"wrong secret":    {wrong, http.StatusUnauthorized, "invalid_client"},
				"no operator":     {a.agent.As, http.StatusBadRequest, "unauthorized_client"},
				"another's token": {harness.Bearer(a.token), http.StatusUnauthorized, "invalid_token"},
				"no token":        {harness.Bearer("x"), http.StatusUnauthorized, "invalid_token"},
				"without scope":   {harness.Bearer(a.Own(a.admin, a.URL+"/api/v1", "audit:read")), http.StatusForbidden, "insufficient_scope"},
			}
			for name, c := range cases {
				st := a.Follow("", c.auth)
				require.Equal(t, c.status, st.Status, name)
				require.Equal(t, c.code, st.Body()["error"], name)
				if name != "nobody" {
					require.NotEmpty(t, st.Body()["decision_id"], name)
				}
			}
			require.Contains(t, a.Follow("", cases["without scope"].auth).Header.Get("WWW-Authenticate"), `scope="events:read"`)
			for _, id := range []string{"1", "x.y", "-1.abcdefgh", "1.abcdefgh.", "01.abcdefgh", "1.ABCDEFGH"} {
				st := a.Follow(id, a.desk.As)
				require.Equal(t, http.StatusBadRequest, st.Status, id)
			}
		})
	}
}

// A follower that is stopped hears nothing more, whoever it is, and its stream ends at once.
func TestStoppedFollowersAreCutOff(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			ctx := context.Background()
			by := harness.Bearer(a.all())
			for name, stop := range map[string]func() (*harness.Stream, error){
				"suspended": func() (*harness.Stream, error) {
					st := a.Follow("", a.desk.As)
					_, err := a.Store.SuspendClient(ctx, feedBy, a.desk.ID)
					return st, err
				},
				"credential revoked": func() (*harness.Stream, error) {
					st := a.Follow("", a.shop.As)
					return st, a.Store.RevokeCredential(ctx, feedBy, a.shop.ID, a.shop.CredentialID)
				},
				"right taken": func() (*harness.Stream, error) {
					st := a.Follow("", by)
					_, err := a.Store.SuspendClient(ctx, feedBy, a.admin.ID)
					return st, err
				},
			} {
				st, err := stop()
				require.NoError(t, err)
				require.True(t, st.Ended(), name)
				require.Equal(t, http.StatusOK, st.Status, name)
				require.Empty(t, st.Told(), name)
			}
		})
	}
}

// What moves to another operator is followed by that one, and not by the one before.
func TestEventsMoveWithTheirService(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			more := a.Service("more", a.desk, "see")
			st := a.Follow("", a.desk.As)
			begin := st.Last()
			_, err := a.Store.UpdateResourceServer(t.Context(), feedBy, a.help.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &a.shop.ID })
			require.NoError(t, err)
			_, err = a.Store.SuspendClient(t.Context(), feedBy, a.agent.ID)
			require.NoError(t, err)
			_, err = a.Store.UpdateResourceServer(t.Context(), feedBy, more.ID, models.AnyVersion, func(r *models.ResourceServer) { r.Status = models.StatusSuspended })
			require.NoError(t, err)
			told := st.Until(func(e harness.Told) bool { return e.Type == models.EventResourceSuspended })
			require.Equal(t, []string{models.EventResourceSuspended}, types(told))
			next := a.Follow(begin, a.shop.As)
			require.Equal(t, []string{models.EventClientSuspended}, types(next.Until(created(a.mark()))))
		})
	}
}

// By POST, an assertion opens a stream: once, and the stream goes on without it.
func TestEventsByAssertion(t *testing.T) {
	a := newAudience(t, "sqlite")
	a.WithKey(a.desk)
	form := url.Values{"client_assertion_type": {harness.AssertionType}, "client_assertion": {a.Assertion(a.desk, nil)}}
	st := a.FollowByForm(form)
	require.Equal(t, http.StatusOK, st.Status)
	_, err := a.Store.UpdateClient(t.Context(), feedBy, a.desk.ID, models.AnyVersion, func(c *models.Client) { c.Purpose = "to be decided anew" })
	require.NoError(t, err)
	_, err = a.Store.SuspendClient(t.Context(), feedBy, a.agent.ID)
	require.NoError(t, err)
	require.Equal(t, []string{models.EventClientSuspended}, types(st.Until(created(a.mark()))))
	require.Equal(t, http.StatusUnauthorized, a.FollowByForm(form).Status, "an assertion is used once")
}

// Whoever is cut off and comes again with the id of what came last hears what they
// missed, once; an id of elsewhere is answered with a reset.
func TestEventsResume(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			st := a.Follow("", a.desk.As)
			var all []harness.Told
			for i := range 6 {
				stop := a.Store.SuspendClient
				if i%2 == 1 {
					stop = a.Store.RestoreClient
				}
				_, err := stop(t.Context(), feedBy, a.agent.ID)
				require.NoError(t, err)
				if i%3 == 2 { // what is missed
					all = append(all, st.Told()...)
					st.Cut()
					_, err := a.Store.UpdateClient(t.Context(), feedBy, a.agent.ID, models.AnyVersion, func(c *models.Client) {
						c.Status = map[bool]string{true: models.StatusActive, false: models.StatusSuspended}[c.Status == models.StatusSuspended]
					})
					require.NoError(t, err)
					_, err = a.Store.UpdateClient(t.Context(), feedBy, a.agent.ID, models.AnyVersion, func(c *models.Client) {
						c.Status = map[bool]string{true: models.StatusActive, false: models.StatusSuspended}[c.Status == models.StatusSuspended]
					})
					require.NoError(t, err)
					st = a.Follow(st.Last(), a.desk.As)
				}
			}
			all = append(all, st.Until(created(a.mark()))...)
			s, r := models.EventClientSuspended, models.EventClientRestored
			require.Equal(t, []string{s, r, s, r, s, r, s, r, s, r}, types(all))

			lost := a.Follow("999999.abcdefgh", a.desk.As)
			require.Equal(t, models.EventReset, lost.Until(func(harness.Told) bool { return true })[0].Type)
			next := a.Follow(lost.Last(), a.desk.As)
			require.Equal(t, []string(nil), types(next.Until(created(a.mark()))), "the reset leads to now")
		})
	}
}

// A server that stops ends its streams at once.
func TestShutdownEndsStreams(t *testing.T) {
	a := newAudience(t, "sqlite")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	at, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- a.Server.Server.Serve(ctx, "127.0.0.1:0", func(addr string) { at <- addr }) }()
	a.URL = "http://" + <-at
	st := a.Follow("", a.desk.As)
	require.Equal(t, http.StatusOK, st.Status)
	stop()
	require.True(t, st.Ended())
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(harness.Patience):
		require.Fail(t, "the server does not stop")
	}
}

// Whoever comes while the server drains is told so, and to come again, before anything
// is decided.
func TestDrainingLetsNobodyIn(t *testing.T) {
	a := newAudience(t, "sqlite")
	all := a.all()
	a.Server.Server.EndStreams()
	before := a.LastEntry().Seq
	for _, auth := range []func(*http.Request){a.desk.As, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+all) }, func(*http.Request) {}} {
		req, err := http.NewRequest(http.MethodGet, a.URL+server.EventsPath, nil)
		require.NoError(t, err)
		auth(req)
		got := a.Send(req)
		require.Equal(t, http.StatusServiceUnavailable, got.Status)
		require.Equal(t, "1", got.Header.Get("Retry-After"))
		require.Equal(t, "temporarily_unavailable", got.JSON["error"])
		require.Contains(t, got.JSON["error_description"], "shutting down")
	}
	require.Equal(t, before, a.LastEntry().Seq, "the ledger knows of no decision")
	require.NotEmpty(t, a.Own(a.agent, a.help.Identifier, "ask"), "the rest goes on")
}

// The API tells the same, page by page, to who would rather ask.
func TestEventsAreListed(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			ask := func(after string) harness.Answer {
				if after != "" {
					after = "?after=" + after
				}
				req, err := http.NewRequest(http.MethodGet, a.URL+"/api/v1/events"+after, nil)
				require.NoError(t, err)
				harness.Bearer(a.all())(req)
				return a.Send(req)
			}
			now := ask("")
			require.Equal(t, http.StatusOK, now.Status, now.Body)
			require.Empty(t, now.JSON["items"])
			_, err := a.Store.SuspendUser(t.Context(), feedBy, a.owner.ID)
			require.NoError(t, err)
			next := ask(now.String("position"))
			items, _ := next.JSON["items"].([]any)
			require.Len(t, items, 2, next.Body)
			first, _ := items[0].(map[string]any)
			require.Equal(t, models.EventClientSuspended, first["type"])
			require.Equal(t, []any{a.help.Identifier}, first["aud"])
			require.Equal(t, false, next.JSON["more"])
			id, _ := first["id"].(string)
			items, _ = ask(id).JSON["items"].([]any)
			require.Len(t, items, 1, "from within what one change told")
			require.Empty(t, ask(next.String("position")).JSON["items"])
			require.Equal(t, true, ask("1.abcdefgh").JSON["reset"])
			require.Equal(t, http.StatusBadRequest, ask("x").Status)
		})
	}
}

// What falls is told all the way down: to each service of what was sent to it, and of
// nothing else.
func TestEventsReachDownTheChain(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t, dialect, harness.Options{})
			a := &audience{Server: s, t: t}
			root, relay, end := s.Application("root"), s.Application("relay"), s.Application("end")
			far := s.Service("far", end, "go")
			near := s.Service("near", relay)
			s.Scope(near, "run", models.ScopeRef{ResourceID: far.ID, Name: "go"})
			s.Allow(root.ID, near, "run")
			s.Allow(root.ID, far, "go")
			s.Allow(relay.ID, far, "go")
			first := s.Own(root, near.Identifier, "run")
			second := s.Exchange(relay, first, far.Identifier, "go")
			one, err := s.Keys.Verify(t.Context(), first)
			require.NoError(t, err)
			two, err := s.Keys.Verify(t.Context(), second)
			require.NoError(t, err)

			here, there := s.Follow("", relay.As), s.Follow("", end.As)
			_, err = s.Store.SuspendClient(t.Context(), feedBy, root.ID)
			require.NoError(t, err)
			_, err = s.Store.RestoreClient(t.Context(), feedBy, root.ID)
			require.NoError(t, err)
			require.NoError(t, s.Store.RevokeToken(t.Context(), feedBy, one.ID))
			last := created(a.mark())
			want := []string{models.EventClientSuspended, models.EventClientRestored, models.EventTokenRevoked}
			for st, id := range map[*harness.Stream]string{here: one.ID, there: two.ID} {
				told := st.Until(last)
				require.Equal(t, want, types(told))
				require.Equal(t, root.ID, told[0].String("client_id"))
				require.Equal(t, []string{id, one.Txn}, []string{told[2].String("jti"), told[2].String("txn")})
			}
		})
	}
}

// Why somebody may not follow can be looked up, as with every refusal.
func TestRefusedFollowersAreExplained(t *testing.T) {
	a := newAudience(t, "sqlite")
	st := a.Follow("", a.agent.As)
	id, _ := st.Body()["decision_id"].(string)
	require.Contains(t, st.Body()["error_description"], "operates no resource server")
	req, err := http.NewRequest(http.MethodGet, a.URL+"/api/v1/audit/entries/"+id+"/explanation", nil)
	require.NoError(t, err)
	harness.Bearer(a.Own(a.admin, a.URL+"/api/v1", "audit:read"))(req)
	answer := a.Send(req)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	require.Contains(t, answer.Body, "operates_nothing")
	require.Contains(t, answer.Body, "Make the client the operator of a resource server.")
}
