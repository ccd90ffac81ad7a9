package models_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// holding is a store whose clock tests move, with a client that holds a few scopes.
type holding struct {
	*calendar
	service *models.ResourceServer
	roles   map[string]*models.Role
}

func eachIdle(t *testing.T, test func(c *holding)) {
	eachCalendar(t, func(c *calendar) {
		i := &holding{calendar: c, roles: map[string]*models.Role{}}
		i.service = modelstest.Service(c, c.Store, "service", "a", "b", "c", "d")
		test(i)
	})
}

func (i *holding) role(name string, scopes ...string) *models.Role {
	i.Helper()
	i.roles[name] = modelstest.Role(i, i.Store, name, i.service.ID, scopes...)
	return i.roles[name]
}

func (i *holding) give(to string, roles ...string) {
	i.Helper()
	for _, name := range roles {
		modelstest.Assign(i, i.Store, i.roles[name].ID, to)
	}
}

func (i *holding) after(days float64) { *i.ahead += time.Duration(days * float64(aDay)) }

// token is one of a client's own, or exchanged from another.
func (i *holding) token(c *models.Client, parent *models.Token, scopes ...string) models.Token {
	i.Helper()
	id := models.NewID(models.PrefixToken)
	t := models.Token{ID: id, Txn: id, GrantID: c.SelfGrantID, ClientID: c.ID, SubjectID: c.ID, ResourceID: i.service.ID}
	if parent != nil {
		t = modelstest.Exchange(*parent, c.ID)
	}
	t.Scopes, t.IssuedAt, t.ExpiresAt = scopes, i.Now(), i.Now()+600
	return modelstest.Issue(i, i.Store, t)
}

// unused tells the scopes, and the roles that would do.
func (i *holding) unused(days int64) (u *models.Unused, scopes, roles []string) {
	i.Helper()
	u, _, err := i.UnusedScopes(i.Context(), i.agent.ID, days, models.Page{Limit: 200})
	require.NoError(i, err)
	for _, e := range u.Scopes {
		scopes = append(scopes, e.Scope)
	}
	for _, r := range u.Narrower.Roles {
		roles = append(roles, r.Name)
	}
	require.Equal(i, len(scopes), u.Unused)
	require.Equal(i, u.Held, u.Unused+len(u.Narrower.Scopes))
	return u, scopes, roles
}

func TestUnusedIsWhatNoTokenCarried(t *testing.T) {
	eachIdle(t, func(i *holding) {
		i.role("all", "a", "b", "c", "d")
		group := modelstest.Group(i, i.Store, "group", i.agent.ID)
		i.give(group.ID, "all")
		i.after(10)
		i.token(i.agent, nil, "a", "b")
		i.after(50)
		i.token(i.agent, nil, "a")
		i.after(31)
		u, scopes, roles := i.unused(90)
		require.Equal(i, []string{"c", "d"}, scopes)
		require.Empty(i, roles)
		require.False(i, u.TooYoung)
		require.Equal(i, []models.ScopeRef{{ResourceID: i.service.ID, Name: "a"}, {ResourceID: i.service.ID, Name: "b"}}, u.Narrower.Scopes)
		source := models.ScopeSource{RoleID: i.roles["all"].ID, Role: "all", Via: []string{group.ID}}
		require.Equal(i, []models.ScopeSource{source}, u.Roles)
		require.Equal(i, models.EffectiveScope{ResourceID: i.service.ID, Identifier: i.service.Identifier, Scope: "c", Risk: models.RiskLow, Roles: []models.ScopeSource{source}}, u.Scopes[0])
		_, scopes, _ = i.unused(40)
		require.Equal(i, []string{"b", "c", "d"}, scopes)
		_, scopes, _ = i.unused(30)
		require.Equal(i, []string{"a", "b", "c", "d"}, scopes)
		rows, next, err := i.UnusedScopes(i.Context(), i.agent.ID, 30, models.Page{Limit: 3})
		require.NoError(i, err)
		require.Len(i, rows.Scopes, 3)
		rows, next, err = i.UnusedScopes(i.Context(), i.agent.ID, 30, models.Page{Limit: 3, After: next})
		require.NoError(i, err)
		require.Empty(i, next)
		require.Equal(i, "d", rows.Scopes[0].Scope)
		require.Equal(i, 4, rows.Unused)
		_, _, err = i.UnusedScopes(i.Context(), "agt_nobody", 30, models.Page{})
		require.ErrorIs(i, err, models.ErrNotFound)
	})
}

// Of a user, every token counts that speaks for them, whoever holds it, and nobody else's.
func TestUnusedOfAUserIsWhatNoTokenForThemCarried(t *testing.T) {
	eachIdle(t, func(i *holding) {
		joe, eve := modelstest.User(i, i.Store, "joe"), modelstest.User(i, i.Store, "eve")
		other, _ := modelstest.Agent(i, i.Store, "other", i.owner.ID)
		i.role("all", "a", "b", "c", "d")
		i.role("less", "a", "b")
		i.role("more", "a", "b", "c")
		for _, who := range []string{joe.ID, eve.ID, i.agent.ID, other.ID} {
			i.give(who, "all")
		}
		i.after(50)
		speaks := func(u *models.User, scope string) models.Token {
			t := i.token(i.agent, nil, "d") // its own, which is nobody's
			t.ID = models.NewID(models.PrefixToken)
			t.Txn, t.SubjectID, t.Scopes = t.ID, u.ID, []string{scope}
			return modelstest.Issue(i, i.Store, t)
		}
		unused := func(id string, days int64) (scopes, roles []string, u *models.Unused) {
			u, _, err := i.UnusedScopes(i.Context(), id, days, models.Page{Limit: 200})
			require.NoError(i, err)
			for _, e := range u.Scopes {
				require.Equal(i, i.service.ID, e.ResourceID, "what everybody holds is not told")
				scopes = append(scopes, e.Scope)
			}
			for _, r := range u.Narrower.Roles {
				roles = append(roles, r.Name)
			}
			return scopes, roles, u
		}
		_, _, u := unused(joe.ID, 90)
		require.True(i, u.TooYoung)
		first := speaks(joe, "a")
		modelstest.Issue(i, i.Store, func() models.Token { t := modelstest.Exchange(first, other.ID); t.Scopes = []string{"b"}; return t }())
		i.after(41)
		speaks(eve, "c")
		scopes, roles, u := unused(joe.ID, 90)
		require.Equal(i, []any{[]string{"c", "d"}, []string{"less"}, 4, 2, false}, []any{scopes, roles, u.Held, u.Unused, u.TooYoung})
		require.Equal(i, []models.ScopeSource{{RoleID: i.roles["all"].ID, Role: "all", Direct: true}}, u.Roles)
		scopes, _, u = unused(joe.ID, 40)
		require.Equal(i, []string{"a", "b", "c", "d"}, scopes)
		require.Empty(i, u.Narrower.Scopes)
		scopes, _, _ = unused(eve.ID, 90)
		require.Equal(i, []string{"a", "b", "d"}, scopes)
		_, _, err := i.UnusedScopes(i.Context(), "usr_nobody", 30, models.Page{})
		require.ErrorIs(i, err, models.ErrNotFound)
	})
}

// Who stands in a chain must hold what its last link carries.
func TestWhatOthersExchangedIsUsed(t *testing.T) {
	eachIdle(t, func(i *holding) {
		i.role("all", "a", "b", "c", "d")
		second, _ := modelstest.Agent(i, i.Store, "second", i.owner.ID)
		third, _ := modelstest.Agent(i, i.Store, "third", i.owner.ID)
		i.give(i.agent.ID, "all")
		i.give(second.ID, "all")
		i.after(91)
		first := i.token(i.agent, nil, "a")
		hop := i.token(second, &first, "b")
		i.token(third, &hop, "c")
		i.token(second, nil, "d")
		_, scopes, _ := i.unused(90)
		require.Equal(i, []string{"d"}, scopes, "which is another's own")
		u, _, err := i.UnusedScopes(i.Context(), second.ID, 90, models.Page{})
		require.NoError(i, err)
		require.Len(i, u.Scopes, 1)
		require.Equal(i, "a", u.Scopes[0].Scope, "it came with that one, and hands on less")
	})
}

func TestWhatIsYoungIsNotCalledUnused(t *testing.T) {
	eachIdle(t, func(i *holding) {
		i.role("old", "a", "b")
		i.role("new", "b", "c")
		i.give(i.agent.ID, "old")
		i.after(89.9)
		u, scopes, _ := i.unused(90)
		require.True(i, u.TooYoung)
		require.Empty(i, scopes)
		i.give(i.agent.ID, "new")
		i.after(0.2)
		u, scopes, _ = i.unused(90)
		require.False(i, u.TooYoung)
		require.Equal(i, []string{"a", "b"}, scopes, "b is held for longer, too; c only since today")
		require.Equal(i, []models.ScopeRef{{ResourceID: i.service.ID, Name: "c"}}, u.Narrower.Scopes)
	})
}

func TestTheNarrowerRoles(t *testing.T) {
	eachIdle(t, func(i *holding) {
		i.role("all", "a", "b", "c", "d")
		i.role("abc", "a", "b", "c")
		modelstest.Scope(i, i.Store, i.service.ID, "e")
		i.role("beyond", "a", "b", "e")
		i.give(i.agent.ID, "all")
		i.after(91)
		_, scopes, roles := i.unused(90)
		require.Equal(i, []string{"a", "b", "c", "d"}, scopes)
		require.Empty(i, roles, "it needs none at all")
		i.token(i.agent, nil, "a", "b")
		u, _, roles := i.unused(90)
		require.Equal(i, []string{"abc"}, roles, "less than it holds, and no more")
		require.Equal(i, 1, u.Narrower.Spare)
		i.role("a-only", "a")
		_, _, roles = i.unused(90)
		require.Equal(i, []string{"abc"}, roles, "what two would give, one gives")
		i.role("b-only", "b")
		u, _, roles = i.unused(90)
		require.Equal(i, []string{"a-only", "b-only"}, roles)
		require.Zero(i, u.Narrower.Spare)
		i.role("ab", "a", "b")
		_, _, roles = i.unused(90)
		require.Equal(i, []string{"ab"}, roles, "of those that give nothing besides, the one that gives most")
		i.role("ba", "a", "b")
		i.give(i.agent.ID, "ba")
		_, _, roles = i.unused(90)
		require.Equal(i, []string{"ba"}, roles, "and of those that give the same, the one it has")
		i.give(i.agent.ID, "abc")
		i.token(i.agent, nil, "c", "d")
		u, _, roles = i.unused(90)
		require.Empty(i, roles, "it uses everything")
		require.Len(i, u.Narrower.Scopes, 4)
	})
}

// Of two roles that a client has, the one it uses is enough.
func TestARoleThatIsNotUsedCanGo(t *testing.T) {
	eachIdle(t, func(i *holding) {
		i.role("used", "a", "b")
		i.role("idle", "c", "d")
		i.give(i.agent.ID, "used", "idle")
		i.after(91)
		i.token(i.agent, nil, "a", "b")
		_, scopes, roles := i.unused(90)
		require.Equal(i, []string{"c", "d"}, scopes)
		require.Equal(i, []string{"used"}, roles)
	})
}

// Tokens that were archived are not known any more: the answer says from when on they are.
func TestUnusedSaysSinceWhenTokensAreKnown(t *testing.T) {
	eachIdle(t, func(i *holding) {
		i.role("all", "a", "b")
		i.give(i.agent.ID, "all")
		i.token(i.agent, nil, "a")
		i.after(50)
		i.token(i.agent, nil, "b")
		u, _, _ := i.unused(40)
		require.Equal(i, i.Now()-40*86400, u.Since)
		i.after(41)
		seq := size(i.T, i.Store) - 1 // everything before the last token was archived
		require.NoError(i, i.Writer().Exec("delete from tokens where id in (select token_id from ledger where seq < ?)", seq).Error)
		require.NoError(i, i.Writer().Exec("delete from ledger where seq < ?", seq).Error)
		u, scopes, _ := i.unused(90)
		require.Equal(i, i.Now()-41*86400, u.Since)
		require.Equal(i, []string{"a"}, scopes)
	})
}

// A hundred thousand tokens of one client, among those of others, are looked through
// in well under a second, by indexes alone.
func TestUnusedIsFoundByIndexes(t *testing.T) {
	eachIdle(t, func(i *holding) {
		const n, all = 100_000, 125_000
		i.role("all", "a", "b", "c", "d")
		i.give(i.agent.ID, "all")
		i.after(91)
		first := i.token(i.agent, nil, "a")
		other, _ := modelstest.Agent(i, i.Store, "other", i.owner.ID)
		start := size(i.T, i.Store)
		rows := fmt.Sprintf("with recursive n(i) as (select 0 union all select i + 1 from n where i < %d) ", all-1)
		pad := "'" + strings.Repeat("x", 1000) + "'"
		i.exec(rows+`insert into tokens (id, grant_id, parent_id, txn, client_id, subject_id, resource_id, scopes, chain, decision_id, issued_at, expires_at, revoked_at)
			select 'tok_z' || (1000000 + i), ?, '', 'tok_z' || (1000000 + i), case i % 5 when 0 then ? else ? end, ?, ?, '["b"]', '[]', '', ?, 0, 0 from n`,
			first.GrantID, other.ID, i.agent.ID, i.agent.ID, i.service.ID, i.Now())
		i.exec(rows+`insert into ledger (seq, id, at, kind, action, outcome, client_id, subject_id, resource_id, token_id, parent_id, txn, grant_id, policy, detail)
			select ? + i, 'dec_z' || (1000000 + i), ?, 'decision', 'issue:access_token:client_credentials', 'granted', case i % 5 when 0 then ? else ? end, ?, ?, 'tok_z' || (1000000 + i), '', '', '', '', `+pad+` from n`,
			start, i.Now()*1000, other.ID, i.agent.ID, i.agent.ID, i.service.ID)
		i.exec("update ledger_head set size = ?", start+all)
		i.exec("analyze tokens")
		i.exec("analyze ledger")

		took := make([]time.Duration, 3)
		for k := range took {
			begin := time.Now()
			_, scopes, _ := i.unused(90)
			took[k] = time.Since(begin)
			require.Equal(i, []string{"c", "d"}, scopes)
		}
		slices.Sort(took)
		i.Logf("%d tokens of one client among %d: %v", n, all, took)
		require.Less(i, took[0], 5*time.Second, "on a machine that has other things to do")
		plan := i.plan(models.UsedScopes, map[string]any{"stretches": []int64{1, 2, 3}, "client": i.agent.ID, "since": 0})
		require.Contains(i, plan, "ledger_client_idx")
		require.Contains(i, plan, map[string]string{"sqlite": "sqlite_autoindex_tokens_1", "postgres": "tokens_pk"}[i.Dialect()])
		require.Contains(i, plan, "tokens_parent_idx")
		require.NotRegexp(i, `(?i)(seq )?scan (on )?(t|l|tokens|ledger)\b`, plan)
		plan = i.plan(models.UsedScopesOf, map[string]any{"user": i.owner.ID, "since": 0})
		require.Contains(i, plan, "tokens_subject_idx")
		require.NotRegexp(i, `(?i)(seq )?scan (on )?tokens\b`, plan)
	})
}

func (i *holding) exec(query string, args ...any) {
	i.Helper()
	require.NoError(i, i.Writer().Exec(query, args...).Error)
}

// plan is how the database looks for what was used.
func (i *holding) plan(what string, bound map[string]any) string {
	i.Helper()
	query := "explain query plan "
	if i.Dialect() == "postgres" {
		query = "explain "
	}
	rows, err := i.Reader().Raw(query+what, bound).Rows()
	require.NoError(i, err)
	defer rows.Close()
	var plan strings.Builder
	columns, err := rows.Columns()
	require.NoError(i, err)
	for rows.Next() {
		values := make([]any, len(columns))
		for k := range values {
			values[k] = new(any)
		}
		require.NoError(i, rows.Scan(values...))
		fmt.Fprintln(&plan, *values[len(values)-1].(*any))
	}
	return plan.String()
}
