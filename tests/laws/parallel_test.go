package laws

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

// How long to wait for something that takes a moment, and how often to look.
const (
	wait = time.Minute
	tick = time.Millisecond
)

// entriesAfter reads what the ledger has after an entry.
func entriesAfter(t *testing.T, s *harness.Server, seq int64) (rows []models.Entry) {
	t.Helper()
	for more := true; more; {
		var page []models.Entry
		var err error
		page, more, err = s.Store.Entries(context.Background(), models.EntryFilter{}, seq, 200)
		require.NoError(t, err)
		for _, e := range page {
			seq = e.Seq
		}
		rows = append(rows, page...)
	}
	return rows
}

// Law 6: of a hundred parallel uses of one assertion, at whatever endpoints, one
// succeeds, and the ledger has all of them: the others are failures of one kind
// at each endpoint, one row for the first and one that counts the rest.
func TestOfAHundredParallelUsesOneSucceeds(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			s := harness.New(t, dialect, harness.Options{})
			agent := s.WithKey(s.Agent("agent", s.User("owner")))
			service := s.Service("service", agent, "read")
			s.Allow(agent.ID, service, "read")
			token := s.Own(agent, service.Identifier, "read")
			for round := range 4 {
				seq := s.LastEntry().Seq
				assertion := s.Assertion(agent, nil)
				answers := make([]harness.Answer, 100)
				var callers sync.WaitGroup
				ready := make(chan struct{})
				for i := range answers {
					path, form := "/oauth2/token", harness.OwnForm(service.Identifier, "read")
					if round%2 == 1 && i%2 == 1 {
						path, form = "/oauth2/introspect", url.Values{"token": {token}}
					}
					form.Set("client_assertion_type", harness.AssertionType)
					form.Set("client_assertion", assertion)
					callers.Go(func() {
						<-ready
						answers[i] = s.Form(path, nil, form)
					})
				}
				close(ready)
				callers.Wait()
				statuses, told := map[int]int{}, map[string]int{}
				for _, a := range answers {
					statuses[a.Status]++
					if a.Status != http.StatusOK {
						told[a.String("decision_id")]++
					}
				}
				require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 99}, statuses)
				require.Len(t, told, 1+round%2, "kinds of failure")
				granted, failed, counted := tallied(t, entriesAfter(t, s, seq))
				require.Equal(t, []int{1, len(told), 0}, []int{granted, len(failed), counted}, "every answer's row is there before the answer")
				require.NoError(t, s.Endpoint.Finish(context.Background()))
				granted, failed, counted = tallied(t, entriesAfter(t, s, seq))
				require.Equal(t, []int{1, len(told)}, []int{granted, counted})
				require.Equal(t, told, failed, "the ledger counts what was told")
			}
		})
	}
}

// tallied reads how many rows grant something, how many failures there were by
// the id of the first like them, and how many rows count failures.
func tallied(t *testing.T, rows []models.Entry) (granted int, failed map[string]int, counts int) {
	t.Helper()
	failed = map[string]int{}
	for _, e := range rows {
		var r recorded
		require.NoError(t, json.Unmarshal([]byte(e.Detail), &r))
		switch {
		case e.Kind == models.KindDecision && e.Outcome == models.OutcomeGranted:
			granted++
		case e.Kind == models.KindFailure && r.Counted != nil:
			require.Contains(t, failed, r.Counted.First)
			failed[r.Counted.First] += int(r.Counted.Count)
			counts++
		case e.Kind == models.KindFailure:
			failed[e.ID]++
		default:
			t.Fatalf("%s %s %s", e.Kind, e.Action, e.Outcome)
		}
	}
	return granted, failed, counts
}

// ending is a change that must stop some of what goes on: tokens of the caller's
// own, its token's exchange by the service it was sent to, or both.
type ending struct {
	own, exchange bool
	method        string
	path          func(*traffic) string
	body          string
}

var endings = map[string]ending{
	"suspendClient":        {true, true, http.MethodPost, func(x *traffic) string { return "/clients/" + x.caller.ID + "/suspend" }, ""},
	"suspendClient, actor": {false, true, http.MethodPost, func(x *traffic) string { return "/clients/" + x.relay.ID + "/suspend" }, ""},
	"deleteClient":         {true, true, http.MethodDelete, func(x *traffic) string { return "/clients/" + x.caller.ID }, ""},
	"updateClient":         {true, false, http.MethodPatch, func(x *traffic) string { return "/clients/" + x.caller.ID }, `{"grant_types": []}`},
	"suspendUser":          {true, true, http.MethodPost, func(x *traffic) string { return "/users/" + *x.caller.OwnerID + "/suspend" }, ""},
	"deleteUser":           {true, true, http.MethodDelete, func(x *traffic) string { return "/users/" + *x.caller.OwnerID }, ""},
	"revokeCredential":     {true, false, http.MethodDelete, func(x *traffic) string { return "/clients/" + x.caller.ID + "/credentials/" + x.caller.CredentialID }, ""},
	"revokeCredential, actor": {false, true, http.MethodDelete, func(x *traffic) string {
		return "/clients/" + x.relay.ID + "/credentials/" + x.relay.CredentialID
	}, ""},
	"revokeToken":                   {false, true, http.MethodPost, func(x *traffic) string { return "/tokens/" + idOf(x.token) + "/revoke" }, ""},
	"revokeGrant":                   {false, true, http.MethodPost, func(x *traffic) string { return "/grants/" + x.caller.SelfGrantID + "/revoke" }, ""},
	"updateRole":                    {true, true, http.MethodPatch, func(x *traffic) string { return "/roles/" + x.role.ID }, `{"scopes": []}`},
	"deleteRole":                    {true, true, http.MethodDelete, func(x *traffic) string { return "/roles/" + x.role.ID }, ""},
	"deleteAssignment":              {true, true, http.MethodDelete, func(x *traffic) string { return "/assignments/" + x.assignment.ID }, ""},
	"removeGroupMember":             {true, true, http.MethodDelete, func(x *traffic) string { return "/groups/" + x.group.ID + "/members/" + x.caller.ID }, ""},
	"deleteGroup":                   {true, true, http.MethodDelete, func(x *traffic) string { return "/groups/" + x.group.ID }, ""},
	"deleteScope":                   {false, true, http.MethodDelete, func(x *traffic) string { return "/resource-servers/" + x.second.ID + "/scopes/use" }, ""},
	"putScope":                      {false, true, http.MethodPut, func(x *traffic) string { return "/resource-servers/" + x.first.ID + "/scopes/use" }, `{"risk": "low"}`},
	"updateResourceServer":          {true, true, http.MethodPatch, func(x *traffic) string { return "/resource-servers/" + x.first.ID }, `{"status": "suspended"}`},
	"updateResourceServer, further": {false, true, http.MethodPatch, func(x *traffic) string { return "/resource-servers/" + x.second.ID }, `{"status": "suspended"}`},
	"deleteResourceServer":          {true, true, http.MethodDelete, func(x *traffic) string { return "/resource-servers/" + x.first.ID }, ""},
}

// traffic is what goes on while a change is made: a caller, in a group that has
// the role, asks for tokens for one service, which trades one for the next.
type traffic struct {
	s             *harness.Server
	caller, relay *harness.Client
	first, second *models.ResourceServer
	group         *models.Group
	role          *models.Role
	assignment    *models.Assignment
	token         string
	changed, stop atomic.Bool
	granted       [2]atomic.Int64 // own, exchange
	late          [2]atomic.Int64 // of those, asked for after the change was answered
}

func newTraffic(s *harness.Server, name string) *traffic {
	x := &traffic{s: s, group: &models.Group{Name: name + "-group"}}
	x.caller, x.relay = s.Agent(name+"-caller", s.User(name+"-owner")), s.Agent(name+"-relay", s.User(name+"-other"))
	x.second = s.Service(name+"-second", nil, "use")
	x.first = s.Service(name+"-first", x.relay)
	s.Scope(x.first, "use", models.ScopeRef{ResourceID: x.second.ID, Name: "use"})
	s.Allow(x.relay.ID, x.second, "use")
	x.role = &models.Role{Name: name + "-role", Scopes: []models.ScopeRef{{ResourceID: x.first.ID, Name: "use"}, {ResourceID: x.second.ID, Name: "use"}}}
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		if err := st.CreateGroup(ctx, by, x.group); err != nil {
			return err
		}
		if err := st.AddGroupMember(ctx, by, x.group.ID, x.caller.ID); err != nil {
			return err
		}
		if err := st.CreateRole(ctx, by, x.role); err != nil {
			return err
		}
		x.assignment = &models.Assignment{RoleID: x.role.ID, PrincipalID: x.group.ID}
		return st.CreateAssignment(ctx, by, x.assignment)
	})
	x.token = s.Own(x.caller, x.first.Identifier, "use")
	return x
}

// run asks without pause until it is stopped, then a few times more.
func (x *traffic) run(kind int) {
	as, form := x.caller, harness.OwnForm(x.first.Identifier, "use")
	if kind == 1 {
		as, form = x.relay, harness.ExchangeForm(x.token, x.second.Identifier, "use")
	}
	for more := 3; more > 0; {
		if x.stop.Load() {
			more--
		}
		late := x.changed.Load()
		if x.s.Form("/oauth2/token", as, form).Status == http.StatusOK {
			x.granted[kind].Add(1)
			if late {
				x.late[kind].Add(1)
			}
		}
	}
}

// Law 7: while tokens are asked for without pause, somebody makes a change that
// forbids them. What is asked for after the change was answered is refused, and
// in the ledger, which orders everything, no such token stands behind the change.
func TestNoTokenAfterAnyChangeThatForbidsIt(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			p := newPlayer(t, dialect, harness.Options{})
			number := 0
			for name, change := range endings {
				number++
				t.Run(name, func(t *testing.T) {
					x := newTraffic(p.s, "t"+string(rune('a'+number)))
					seq := p.s.LastEntry().Seq
					var callers sync.WaitGroup
					for i := range 8 {
						callers.Go(func() { x.run(i % 2) })
					}
					require.Eventually(t, func() bool { return x.granted[0].Load() > 10 && x.granted[1].Load() > 10 }, wait, tick)
					a := p.api(change.method, change.path(x), change.body)
					x.changed.Store(true)
					x.stop.Store(true)
					callers.Wait()
					require.NoError(t, p.broken)
					for kind, ends := range []bool{change.own, change.exchange} {
						before, after := x.around(t, entriesAfter(t, p.s, seq), a.call, kind)
						require.Equal(t, int(x.granted[kind].Load()), before+after, "the ledger has every token, and no other")
						require.Greater(t, before, 10)
						if ends {
							require.Zero(t, after, "granted after the change, in the ledger")
							require.Zero(t, x.late[kind].Load(), "granted to a request that began after the change was answered")
						} else {
							require.Positive(t, after, "what the change does not forbid goes on")
						}
					}
				})
			}
		})
	}
}

// around counts the granted tokens of one kind before and after the change that
// a call made.
func (x *traffic) around(t *testing.T, rows []models.Entry, call string, kind int) (before, after int) {
	t.Helper()
	action := []string{policies.IssueClientCredentials, policies.IssueTokenExchange}[kind]
	client := []string{x.caller.ID, x.relay.ID}[kind]
	changed := false
	for _, e := range rows {
		var detail struct {
			By models.By `json:"by"`
		}
		require.NoError(t, json.Unmarshal([]byte(e.Detail), &detail))
		changed = changed || e.Kind == models.KindChange && detail.By.RequestID == call
		if e.Action != action || e.ClientID != client || e.Outcome != models.OutcomeGranted {
			continue
		}
		if changed {
			after++
		} else {
			before++
		}
	}
	require.True(t, changed, "the ledger does not have the change")
	return before, after
}
