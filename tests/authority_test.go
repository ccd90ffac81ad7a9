package tests

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// api calls Deputy's own API.
func api(s *harness.Server, token, method, path string, body any) harness.Answer {
	s.TB.Helper()
	raw := ""
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(s.TB, err)
		raw = string(b)
	}
	req, err := http.NewRequest(method, s.URL+"/api/v1"+path, strings.NewReader(raw))
	require.NoError(s.TB, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return s.Send(req)
}

// changes counts the changes the ledger knows.
func changes(s *harness.Server) int {
	s.TB.Helper()
	count, after := 0, int64(-1)
	for {
		rows, more, err := s.Store.Entries(context.Background(), models.EntryFilter{Kind: models.KindChange}, after, 200)
		require.NoError(s.TB, err)
		count += len(rows)
		if !more {
			return count
		}
		after = rows[len(rows)-1].Seq
	}
}

type object map[string]any

// rivals are an administrator who may do everything, one who holds one scope,
// and somebody with all rights who is worth taking over.
type rivals struct {
	*harness.Server
	admin, narrow, target *harness.Client
	boss                  *models.User // as the target, an administrator
	role                  *models.Role // of narrow
}

var deputy = &models.ResourceServer{Meta: models.Meta{ID: models.SelfID}}

func newRivals(s *harness.Server, name, scope string) *rivals {
	r := &rivals{Server: s, boss: s.User(name + "-boss")}
	r.admin, r.target = s.Agent(name+"-admin", r.boss), s.Agent(name+"-target", r.boss)
	r.narrow = s.Agent(name+"-narrow", s.User(name+"-mallory"))
	r.role = s.Allow(r.narrow.ID, deputy, strings.Fields(scope)...)
	for _, id := range []string{r.admin.ID, r.target.ID, r.boss.ID} {
		r.assign(models.AdminRoleID, id)
	}
	return r
}

func (r *rivals) assign(roleID, principalID string) {
	r.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: roleID, PrincipalID: principalID})
	})
}

// token is one of c's own for Deputy's API; all scopes of it unless some are named.
func (r *rivals) token(c *harness.Client, scopes ...string) string {
	if len(scopes) == 0 {
		for _, sc := range models.SelfScopes() {
			scopes = append(scopes, sc.Name)
		}
	}
	return r.Own(c, r.URL+"/api/v1", strings.Join(scopes, " "))
}

func (r *rivals) group(name string, members ...string) *models.Group {
	g := &models.Group{Name: name}
	r.Do(func(ctx context.Context, st *models.Store, by models.By) error { return st.CreateGroup(ctx, by, g) })
	for _, id := range members {
		r.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.AddGroupMember(ctx, by, g.ID, id)
		})
	}
	return g
}

// adminCall is what an attacker would send.
type adminCall struct {
	method, path string
	body         any
}

type attack struct {
	name, scope string // what the attacker has, mostly one scope
	prepare     func(r *rivals) adminCall
}

func in(s *harness.Server, d time.Duration) string {
	return s.Clock.Now().Add(d).UTC().Format(time.RFC3339)
}

var attacks = []attack{
	{"another secret of an administrator", "credentials:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPost, "/clients/" + r.target.ID + "/credentials", object{"kind": "secret"}}
	}},
	{"the next secret of an administrator", "credentials:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPost, "/clients/" + r.target.ID + "/credentials/" + r.target.CredentialID + "/rotate", object{"overlap": 60}}
	}},
	{"every scope into a role one has", "roles:write", func(r *rivals) adminCall {
		all := []object{}
		for _, sc := range models.SelfScopes() {
			all = append(all, object{"resource_server_id": models.SelfID, "scope": sc.Name})
		}
		return adminCall{http.MethodPatch, "/roles/" + r.role.ID, object{"scopes": all}}
	}},
	{"a new role with a scope one has not", "roles:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPost, "/roles", object{"name": r.narrow.Name + "-more", "scopes": []object{
			{"resource_server_id": models.SelfID, "scope": "keys:write"}, {"resource_server_id": models.SelfID, "scope": "roles:write"},
		}}}
	}},
	{"the administrator role for oneself", "roles:assign", func(r *rivals) adminCall {
		return adminCall{http.MethodPost, "/assignments", object{"role_id": models.AdminRoleID, "principal_id": r.narrow.ID}}
	}},
	{"into a group of administrators", "roles:assign", func(r *rivals) adminCall {
		g := r.group(r.narrow.Name + "-admins")
		r.assign(models.AdminRoleID, g.ID)
		return adminCall{http.MethodPut, "/groups/" + g.ID + "/members/" + r.narrow.ID, nil}
	}},
	{"one's group into a group of administrators", "roles:assign", func(r *rivals) adminCall {
		mine := r.group(r.narrow.Name+"-mine", r.narrow.ID)
		inner := r.group(r.narrow.Name + "-inner")
		outer := r.group(r.narrow.Name+"-outer", inner.ID)
		r.assign(models.AdminRoleID, outer.ID)
		return adminCall{http.MethodPut, "/groups/" + inner.ID + "/members/" + mine.ID, nil}
	}},
	{"in the place of a service", "resources:write", func(r *rivals) adminCall {
		service := r.Service(r.narrow.Name+"-service", r.target, "read")
		return adminCall{http.MethodPatch, "/resource-servers/" + service.ID, object{"operator_id": r.narrow.ID}}
	}},
	{"a client's end", "clients:write", func(r *rivals) adminCall {
		return adminCall{http.MethodDelete, "/clients/" + r.target.ID, nil}
	}},
	{"a client's early end", "clients:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPatch, "/clients/" + r.target.ID, object{"expires_at": in(r.Server, time.Hour)}}
	}},
	{"a client's early end, and another owner", "clients:write clients:suspend", func(r *rivals) adminCall {
		return adminCall{http.MethodPatch, "/clients/" + r.target.ID, object{"expires_at": in(r.Server, time.Hour), "owner_id": *r.narrow.OwnerID}}
	}},
	{"a user's end", "users:write", func(r *rivals) adminCall {
		return adminCall{http.MethodDelete, "/users/" + r.boss.ID, nil}
	}},
	{"a user's early end", "users:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPatch, "/users/" + r.boss.ID, object{"expires_at": in(r.Server, time.Hour)}}
	}},
	{"an administrator's return", "clients:suspend", func(r *rivals) adminCall {
		r.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, r.target.ID)
			return err
		})
		return adminCall{http.MethodPost, "/clients/" + r.target.ID + "/restore", nil}
	}},
	{"an administrator's later end", "clients:write", func(r *rivals) adminCall {
		r.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, r.target.ID, models.AnyVersion, func(c *models.Client) { c.ExpiresAt = r.Clock.Now().Unix() })
			return err
		})
		return adminCall{http.MethodPatch, "/clients/" + r.target.ID, object{"expires_at": in(r.Server, time.Hour)}}
	}},
	{"an administrator's owner", "clients:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPatch, "/clients/" + r.target.ID, object{"owner_id": *r.narrow.OwnerID}}
	}},
	{"an administrator's next owner", "clients:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPost, "/clients/" + r.target.ID + "/transfer", object{"to": *r.narrow.OwnerID}}
	}},
	{"somebody in charge who was not asked", "clients:write", func(r *rivals) adminCall {
		return adminCall{http.MethodPatch, "/clients/" + r.narrow.ID, object{"owner_id": r.User(r.narrow.Name + "-scapegoat").ID}}
	}},
	{"nobody in charge", "clients:write", func(r *rivals) adminCall {
		app := &models.Client{Kind: models.KindApplication, Name: r.narrow.Name + "-app", OwnerID: r.narrow.OwnerID}
		r.Do(func(ctx context.Context, st *models.Store, by models.By) error { return st.CreateClient(ctx, by, app) })
		return adminCall{http.MethodPatch, "/clients/" + app.ID, object{"owner_id": nil}}
	}},
	{"a user administrator's return", "users:suspend", func(r *rivals) adminCall {
		other := r.User(r.narrow.Name + "-other")
		r.assign(models.AdminRoleID, other.ID)
		r.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, other.ID)
			return err
		})
		return adminCall{http.MethodPost, "/users/" + other.ID + "/restore", nil}
	}},
	{"a user administrator's later end", "users:write", func(r *rivals) adminCall {
		other := r.User(r.narrow.Name + "-other")
		r.assign(models.AdminRoleID, other.ID)
		r.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateUser(ctx, by, other.ID, models.AnyVersion, func(u *models.User) { u.ExpiresAt = r.Clock.Now().Unix() })
			return err
		})
		return adminCall{http.MethodPatch, "/users/" + other.ID, object{"expires_at": nil}}
	}},
}

// Nobody hands out authority over Deputy that they do not carry: not who does
// not hold it, and not who holds it but carries a token without it.
func TestNoScopeOfTheAdminAPIAmountsToTheOthers(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t, dialect, harness.Options{})
			for i, a := range attacks {
				t.Run(a.name, func(t *testing.T) {
					s.TB = t
					r := newRivals(s, string(rune('a'+i)), a.scope)
					want := a.prepare(r)
					before := changes(s)
					for who, token := range map[string]string{"narrow": r.token(r.narrow, a.scope), "of an administrator": r.token(r.admin, a.scope)} {
						no := api(s, token, want.method, want.path, want.body)
						require.Equal(t, http.StatusForbidden, no.Status, "%s: %s", who, no.Body)
						require.Equal(t, "urn:deputy:problem:insufficient_scope", no.String("type"))
						require.Contains(t, no.String("detail"), "which the token does not carry")
						require.Contains(t, no.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`)
						require.Equal(t, before, changes(s), "nothing changed")
						require.Equal(t, no.String("decision_id"), s.LastEntry().ID)
					}
					yes := api(s, r.token(r.admin), want.method, want.path, want.body)
					require.Less(t, yes.Status, 300, yes.Body)
					require.Greater(t, changes(s), before)
				})
			}
		})
	}
}

// What hands out no authority over Deputy needs the one scope, and is asked of
// policy once.
func TestWhatHandsOutNoAuthorityNeedsOneScope(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t, dialect, harness.Options{})
			plain := s.Agent("plain", s.User("olivia"))
			service := s.Service("sales", nil, "read", "write")
			role := s.Allow(plain.ID, service, "read")
			for i, a := range []attack{
				{"", "clients:suspend", func(r *rivals) adminCall {
					return adminCall{http.MethodPost, "/clients/" + r.target.ID + "/suspend", nil} // stopping is always allowed
				}},
				{"", "users:suspend", func(r *rivals) adminCall {
					return adminCall{http.MethodPost, "/users/" + r.User("u").ID + "/suspend", nil}
				}},
				{"", "credentials:write", func(*rivals) adminCall {
					return adminCall{http.MethodPost, "/clients/" + plain.ID + "/credentials", object{"kind": "secret"}}
				}},
				{"", "roles:write", func(*rivals) adminCall {
					return adminCall{http.MethodPatch, "/roles/" + role.ID, object{"scopes": []object{
						{"resource_server_id": service.ID, "scope": "read"}, {"resource_server_id": service.ID, "scope": "write"},
					}}}
				}},
				{"", "roles:write", func(r *rivals) adminCall {
					return adminCall{http.MethodPatch, "/roles/" + r.role.ID, object{"scopes": []object{}}}
				}},
				{"", "roles:assign", func(r *rivals) adminCall {
					return adminCall{http.MethodPost, "/assignments", object{"role_id": role.ID, "principal_id": r.narrow.ID}}
				}},
				{"", "resources:write", func(*rivals) adminCall {
					return adminCall{http.MethodPatch, "/resource-servers/" + service.ID, object{"name": "selling", "operator_id": nil}}
				}},
				{"", "clients:write", func(r *rivals) adminCall {
					return adminCall{http.MethodPatch, "/clients/" + r.target.ID, object{"purpose": "audits", "owner_id": r.boss.ID}}
				}},
				{"", "clients:write", func(*rivals) adminCall {
					return adminCall{http.MethodPatch, "/clients/" + plain.ID, object{"expires_at": nil}}
				}},
				{"", "clients:write", func(r *rivals) adminCall {
					return adminCall{http.MethodPost, "/clients/" + plain.ID + "/transfer", object{"to": r.boss.ID}}
				}},
				{"", "clients:suspend", func(*rivals) adminCall { return adminCall{http.MethodPost, "/clients/" + plain.ID + "/restore", nil} }},
			} {
				r := newRivals(s, string(rune('a'+i)), a.scope)
				want := a.prepare(r)
				token := r.token(r.narrow, a.scope)
				from := s.LastEntry().Seq
				answer := api(s, token, want.method, want.path, want.body)
				require.Less(t, answer.Status, 300, "%s %s: %s", want.method, want.path, answer.Body)
				require.Equal(t, from+2, s.LastEntry().Seq, "one decision, one change")
			}
		})
	}
}

// Not even an administrator makes Deputy's own API somebody else's.
func TestDeputysOwnAPIIsItsOwn(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			r := newRivals(harness.New(t, dialect, harness.Options{}), "a", "clients:read")
			before := changes(r.Server)
			for _, want := range []adminCall{
				{http.MethodPatch, "/resource-servers/" + models.SelfID, object{"operator_id": r.admin.ID}},
				{http.MethodPut, "/resource-servers/" + models.SelfID + "/scopes/house:own", object{"risk": "low"}},
				{http.MethodPut, "/resource-servers/" + models.SelfID + "/scopes/audit:read", object{"risk": "low"}},
			} {
				require.Equal(t, http.StatusUnprocessableEntity, api(r.Server, r.token(r.admin), want.method, want.path, want.body).Status, want.path)
			}
			require.Equal(t, before, changes(r.Server))
		})
	}
}
