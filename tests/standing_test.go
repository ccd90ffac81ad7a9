package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// falls are the ways in which a client loses its standing.
var falls = map[string]func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error{
	"suspended": func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error {
		_, err := s.Store.SuspendClient(ctx, by, c.ID)
		return err
	},
	"expired": func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error {
		_, err := s.Store.UpdateClient(ctx, by, c.ID, models.AnyVersion, func(m *models.Client) { m.ExpiresAt = s.Clock.Now().Unix() })
		return err
	},
	"decommissioned": func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error {
		return s.Store.DecommissionClient(ctx, by, c.ID, models.AnyVersion)
	},
	"owner suspended": func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error {
		_, err := s.Store.SuspendUser(ctx, by, *c.OwnerID)
		return err
	},
	"owner expired": func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error {
		_, err := s.Store.UpdateUser(ctx, by, *c.OwnerID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = s.Clock.Now().Unix() })
		return err
	},
	"owner removed": func(ctx context.Context, s *harness.Server, by models.By, c *harness.Client) error {
		return s.Store.RemoveUser(ctx, by, *c.OwnerID, models.AnyVersion)
	},
}

// relay is three agents with an owner each: origin's token, exchanged by middle,
// is for last.
func relay(s *harness.Server) (origin, middle, last *harness.Client, token string) {
	origin = s.Agent("origin", s.User("origin-owner"))
	middle = s.Agent("middle", s.User("middle-owner"))
	last = s.Agent("last", s.User("last-owner"))
	desk, till := s.Service("desk", middle, "desk:use"), s.Service("till", last, "till:use")
	s.Scope(desk, "desk:use", models.ScopeRef{ResourceID: till.ID, Name: "till:use"})
	s.Allow(origin.ID, desk, "desk:use")
	s.Allow(origin.ID, till, "till:use")
	s.Allow(middle.ID, till, "till:use")
	return origin, middle, last, s.Exchange(middle, s.Own(origin, desk.Identifier, "desk:use"), till.Identifier, "till:use")
}

// Whoever in a token loses their standing, however, it is inactive at once; and
// the service that has lost its own is told nothing.
func TestIntrospectionFollowsTheStandingOfEverybody(t *testing.T) {
	for _, dialect := range harness.Dialects {
		for name, fall := range falls {
			for _, who := range []string{"subject", "actor", "caller"} {
				t.Run(dialect+"/"+who+" "+name, func(t *testing.T) {
					t.Parallel()
					s := harness.New(t, dialect, harness.Options{})
					origin, middle, last, token := relay(s)
					require.True(t, s.Active(last, token))
					fallen := map[string]*harness.Client{"subject": origin, "actor": middle, "caller": last}[who]
					require.NoError(t, fall(context.Background(), s, models.By{System: "test"}, fallen))
					a := s.Form("/oauth2/introspect", last, url.Values{"token": {token}})
					if who == "caller" && name == "decommissioned" {
						require.Equal(t, http.StatusUnauthorized, a.Status, "its credentials went with it")
						return
					}
					require.Equal(t, `{"active":false}`, strings.TrimSpace(a.Body))
					require.Equal(t, models.OutcomeRefused, s.LastEntry().Outcome)
				})
			}
		}
	}
}

// Deputy's own API asks the same of a token as any service would.
func TestAdminAPIFollowsTheStandingOfTheAdministrator(t *testing.T) {
	call := func(s *harness.Server, token string) harness.Answer {
		req, err := http.NewRequest(http.MethodGet, s.URL+"/api/v1/clients", nil)
		require.NoError(s.TB, err)
		req.Header.Set("Authorization", "Bearer "+token)
		return s.Send(req)
	}
	admin := func(s *harness.Server) (*harness.Client, string) {
		c := s.Agent("admin", s.User("boss"))
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: c.ID})
		})
		return c, s.Own(c, s.URL+"/api/v1", "clients:read")
	}
	for _, dialect := range harness.Dialects {
		for name, fall := range falls {
			t.Run(dialect+"/"+name, func(t *testing.T) {
				s := harness.New(t, dialect, harness.Options{})
				c, token := admin(s)
				require.Equal(t, http.StatusOK, call(s, token).Status)
				require.NoError(t, fall(context.Background(), s, models.By{System: "test"}, c))
				require.Equal(t, http.StatusUnauthorized, call(s, token).Status)
			})
		}
		t.Run(dialect+"/tokens", func(t *testing.T) {
			s := harness.New(t, dialect, harness.Options{})
			c, token := admin(s)
			service := s.Service("service", nil, "clients:read")
			s.Allow(c.ID, service, "clients:read")
			elsewhere := call(s, s.Own(c, service.Identifier, "clients:read"))
			require.Equal(t, http.StatusUnauthorized, elsewhere.Status, "a same-named scope at another server is another scope")
			require.Contains(t, elsewhere.String("detail"), "another audience")

			require.Equal(t, http.StatusForbidden, call(s, s.Own(c, s.URL+"/api/v1", "users:read")).Status)
			require.Equal(t, http.StatusOK, s.Form("/oauth2/revoke", c, url.Values{"token": {token}}).Status)
			require.Equal(t, http.StatusUnauthorized, call(s, token).Status, "revoked")

			fresh := s.Own(c, s.URL+"/api/v1", "clients:read")
			s.Clock.Advance(11 * time.Minute)
			require.Equal(t, http.StatusUnauthorized, call(s, fresh).Status, "expired")
			fresh = s.Own(c, s.URL+"/api/v1", "clients:read")
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				rows, _, err := st.Assignments(ctx, models.AdminRoleID, c.ID, models.Page{})
				if err != nil {
					return err
				}
				return st.DeleteAssignment(ctx, by, rows[0].ID)
			})
			require.Equal(t, http.StatusForbidden, call(s, fresh).Status, "the role was taken away")
		})
	}
}
