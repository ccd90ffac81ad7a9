package tests

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// While eight callers ask without pause, the client or its owner is suspended, its
// role deleted, or its secret revoked. In the ledger, which orders everything,
// no token may stand after the change that forbade it.
func TestNoTokenAfterTheChangeThatForbidsIt(t *testing.T) {
	ctx, by := context.Background(), models.By{System: "test"}
	changes := map[string]func(s *harness.Server, c *harness.Client, role *models.Role) error{ // by action in the ledger
		"suspendClient": func(s *harness.Server, c *harness.Client, _ *models.Role) error {
			_, err := s.Store.SuspendClient(ctx, by, c.ID)
			return err
		},
		"suspendUser": func(s *harness.Server, c *harness.Client, _ *models.Role) error {
			_, err := s.Store.SuspendUser(ctx, by, *c.OwnerID)
			return err
		},
		"deleteRole": func(s *harness.Server, _ *harness.Client, role *models.Role) error {
			return s.Store.DeleteRole(ctx, by, role.ID, models.AnyVersion)
		},
		"revokeCredential": func(s *harness.Server, c *harness.Client, _ *models.Role) error {
			return s.Store.RevokeCredential(ctx, by, c.ID, c.CredentialID)
		},
	}
	for _, dialect := range harness.Dialects {
		for action, change := range changes {
			t.Run(dialect+"/"+action, func(t *testing.T) {
				s := harness.New(t, dialect, harness.Options{})
				agent := s.Agent("agent", s.User("owner"))
				service := s.Service("service", nil, "read")
				role := s.Allow(agent.ID, service, "read")
				var callers sync.WaitGroup
				granted := make(chan struct{}, calls)
				for range 8 {
					callers.Go(func() {
						for range calls / 8 {
							if a := s.Form("/oauth2/token", agent, harness.OwnForm(service.Identifier, "read")); a.Status == http.StatusOK {
								granted <- struct{}{}
							}
						}
					})
				}
				for range 20 { // let it get going
					<-granted
				}
				require.NoError(t, change(s, agent, role))
				callers.Wait()
				before, after := around(t, s, action)
				require.GreaterOrEqual(t, before, 20)
				require.Less(t, before, calls, "the change came too late to show anything")
				require.Zero(t, after)
			})
		}
	}
}

const calls = 480

// around counts the tokens that the ledger has before and after the one change
// of this name.
func around(t *testing.T, s *harness.Server, action string) (before, after int) {
	t.Helper()
	changed := false
	for seq, more := int64(-1), true; more; {
		var rows []models.Entry
		var err error
		rows, more, err = s.Store.Entries(context.Background(), models.EntryFilter{}, seq, 200)
		require.NoError(t, err)
		for _, e := range rows {
			seq = e.Seq
			changed = changed || e.Action == action
			if e.Kind == models.KindDecision && e.Outcome == models.OutcomeGranted {
				if changed {
					after++
				} else {
					before++
				}
			}
		}
	}
	require.True(t, changed)
	return before, after
}

// One assertion, sent by fifty callers at once, is good for one token.
func TestAnAssertionIsUsedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		agent := s.WithKey(s.Agent("agent", s.User("owner")))
		service := s.Service("service", nil, "read")
		s.Allow(agent.ID, service, "read")
		form := harness.OwnForm(service.Identifier, "read")
		form.Set("client_assertion_type", harness.AssertionType)
		form.Set("client_assertion", s.Assertion(agent, nil))
		statuses := make(chan int, 50)
		var callers sync.WaitGroup
		for range cap(statuses) {
			callers.Go(func() { statuses <- s.Form("/oauth2/token", nil, form).Status })
		}
		callers.Wait()
		close(statuses)
		count := map[int]int{}
		for status := range statuses {
			count[status]++
		}
		require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 49}, count)
		require.Equal(t, 1, s.Tokens())
	})
}

// A call of the admin API that was admitted, and whose body is still on its way
// when its caller is suspended, changes nothing.
func TestAdmissionDoesNotOutliveTheAdministrator(t *testing.T) {
	each(t, func(t *testing.T, s *harness.Server) {
		ctx := context.Background()
		boss := s.Agent("boss", s.User("owner"))
		accomplice := s.Agent("accomplice", s.User("other-owner"))
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: boss.ID})
		})
		token := s.Own(boss, s.URL+"/api/v1", "roles:assign")
		body, writer := io.Pipe()
		req, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/assignments", body)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		answers := make(chan harness.Answer, 1)
		go func() { answers <- s.Send(req) }()
		_, err = io.WriteString(writer, `{"role_id": "`+models.AdminRoleID+`", `)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return s.LastEntry().Action == "admin:createAssignment" }, 10*time.Second, time.Millisecond)

		_, err = s.Store.SuspendClient(ctx, models.By{System: "test"}, boss.ID)
		require.NoError(t, err)
		_, err = io.WriteString(writer, `"principal_id": "`+accomplice.ID+`"}`)
		require.NoError(t, err)
		require.NoError(t, writer.Close())
		a := <-answers
		require.Equal(t, http.StatusUnauthorized, a.Status, a.Body)
		rows, _, err := s.Store.Assignments(ctx, "", accomplice.ID, models.Page{})
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}
