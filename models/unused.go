package models

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// Unused is what a client or a user holds and does not use, as far as tokens tell.
type Unused struct {
	Since    int64 // from when on tokens are known and count
	TooYoung bool  // it exists for less long than was asked for: nothing is said of it
	Held     int   // scopes in all
	Unused   int   // of those, in all
	Scopes   []EffectiveScope
	Roles    []ScopeSource // all it has
	Narrower Narrower
}

// Narrower is what would do: what was used, and what was given too lately to tell.
type Narrower struct {
	Roles  []Role     // that exist and hold all of it, and less than the client holds now; none if there are no such
	Spare  int        // of the unused scopes, how many those roles still give
	Scopes []ScopeRef // all of it, which a new role would hold
}

// usedScopes are the scopes of the tokens of a client, and of those that others
// exchanged from them: who stands in a chain, or began it, must hold what the last one
// carries. Some stretches of the ledger name the tokens (see hanging).
const usedScopes = `with recursive used(id, resource_id, scopes) as (
	select t.id, t.resource_id, t.scopes from ledger l cross join tokens t
	where (l.seq / 256) in @stretches and l.client_id = @client and l.kind = 'decision' and l.outcome = 'granted'
		and t.id = l.token_id and t.client_id = @client and t.issued_at >= @since
	union all
	select t.id, t.resource_id, t.scopes from used cross join tokens t where t.parent_id = used.id and t.parent_id <> ''
) select distinct resource_id, scopes from used`

// usedScopesOf are the scopes of the tokens that speak for a user, whoever holds them.
const usedScopesOf = `select distinct resource_id, scopes from tokens
	where subject_id = @user and substr(subject_id, 1, 4) = 'usr_' and issued_at >= @since`

// UnusedScopes tells which scopes a client or a user holds that no token carried which,
// of a client, it, or somebody by it, was issued in the last days, or which spoke for the
// user. What was given to them later than that is not among them, and nothing is of who
// is younger.
func (s *Store) UnusedScopes(ctx context.Context, id string, days int64, p Page) (u *Unused, next string, err error) {
	u = &Unused{Since: s.Now() - days*secondsADay}
	asked, idle := u.Since, map[ScopeRef]bool{}
	var held []EffectiveScope
	err = s.snapshot(ctx, func(db *gorm.DB) error {
		if held, err = u.held(db, id, asked); err != nil || u.TooYoung {
			return err
		}
		idle, err = old(db, id, held, asked)
		return err
	})
	if err == nil && !u.TooYoung {
		err = s.forgetUsed(ctx, id, u, idle)
	}
	if err != nil {
		return nil, "", wrap("list unused scopes", err)
	}
	u.Unused = len(idle)
	for _, e := range held {
		if ref := e.ref(); idle[ref] {
			u.Scopes = append(u.Scopes, e)
		} else {
			u.Narrower.Scopes = append(u.Narrower.Scopes, ref)
		}
	}
	u.Scopes, next = effectivePage(u.Scopes, p)
	err = s.snapshot(ctx, func(db *gorm.DB) error {
		if err := u.narrow(db, idle); err != nil || len(u.Scopes) == 0 {
			return err
		}
		return explain(db, id, u.Scopes)
	})
	return u, next, wrap("list unused scopes", err)
}

func (e EffectiveScope) ref() ScopeRef { return ScopeRef{e.ResourceID, e.Scope} }

// held is what a client or a user holds, by resource server and scope. It tells whether
// they are too young, and what they have it through.
func (u *Unused) held(db *gorm.DB, id string, asked int64) ([]EffectiveScope, error) {
	row := any(&Client{})
	if HasPrefix(id, PrefixUser) {
		row = &User{}
	}
	var made []int64
	if err := db.Model(row).Where("id = ?", id).Pluck("created_at", &made).Error; err != nil {
		return nil, err
	}
	if len(made) == 0 {
		return nil, ErrNotFound
	}
	rows, err := heldScopes(db, id)
	if err != nil {
		return nil, err
	}
	if HasPrefix(id, PrefixUser) {
		rows = slices.DeleteFunc(rows, EffectiveScope.everybodys)
	}
	slices.SortFunc(rows, func(a, b EffectiveScope) int { return strings.Compare(a.key(), b.key()) })
	u.Held, u.TooYoung = len(rows), made[0] > asked
	sources, err := sourcesOf(db, id)
	for _, src := range sources {
		u.Roles = append(u.Roles, src)
	}
	slices.SortFunc(u.Roles, func(a, b ScopeSource) int { return strings.Compare(a.RoleID, b.RoleID) })
	return rows, err
}

// everybodys tells whether every user holds it: then it cannot be taken from one.
func (e EffectiveScope) everybodys() bool {
	return slices.ContainsFunc(e.Roles, func(src ScopeSource) bool { return src.RoleID == PersonRoleID })
}

// old are those of the scopes that somebody was given before a moment, by any role.
func old(db *gorm.DB, id string, held []EffectiveScope, moment int64) (map[ScopeRef]bool, error) {
	groups, err := groupsOf(db, id)
	if err != nil {
		return nil, err
	}
	var given []string
	err = db.Model(&Assignment{}).Where("principal_id in ? and created_at <= ?", append(groups, id), moment).Distinct().Pluck("role_id", &given).Error
	out := map[ScopeRef]bool{}
	for _, e := range held {
		if slices.ContainsFunc(e.Roles, func(src ScopeSource) bool { return slices.Contains(given, src.RoleID) }) {
			out[e.ref()] = true
		}
	}
	return out, err
}

// forgetUsed takes out of idle what tokens carried, as far back as they are known.
func (s *Store) forgetUsed(ctx context.Context, id string, u *Unused, idle map[ScopeRef]bool) error {
	db := s.read.WithContext(ctx)
	var size int64
	if err := db.Model(&Head{}).Select("size").Scan(&size).Error; err != nil {
		return err
	}
	first, known, err := firstSince(db, size, u.Since*1000)
	if err != nil {
		return err
	}
	u.Since = max(u.Since, known/1000)
	if HasPrefix(id, PrefixUser) {
		return forget(db.Raw(usedScopesOf, map[string]any{"user": id, "since": u.Since}), idle)
	}
	// From the newest back, until nothing is left of it.
	for last := size / stretch; last >= first/stretch && len(idle) > 0; last -= stretchesAtOnce {
		some := make([]int64, 0, stretchesAtOnce)
		for n := last; n > last-stretchesAtOnce && n >= first/stretch; n-- {
			some = append(some, n)
		}
		if err := forget(db.Raw(usedScopes, map[string]any{"stretches": some, "client": id, "since": u.Since}), idle); err != nil {
			return err
		}
	}
	return nil
}

// forget takes out of idle the scopes that a query finds.
func forget(used *gorm.DB, idle map[ScopeRef]bool) error {
	var found []struct{ ResourceID, Scopes string }
	if err := used.Scan(&found).Error; err != nil {
		return err
	}
	for _, f := range found {
		var scopes []string
		if err := json.Unmarshal([]byte(f.Scopes), &scopes); err != nil {
			return err
		}
		for _, scope := range scopes {
			delete(idle, ScopeRef{f.ResourceID, scope})
		}
	}
	return nil
}

// clocksApart is how far the clocks of replicas may differ, in milliseconds, where
// entries are looked for by time: they are ordered by number, and nearly by time.
const clocksApart = 3600 * 1000

// firstSince is the number of the first entry of a time, in unix milliseconds, or some
// before, and the time of the first that there is: those before are archived.
func firstSince(db *gorm.DB, size, moment int64) (seq, known int64, err error) {
	var e Entry
	if err := absent(db.Select("seq, at").Order("seq").Take(&e).Error); err != nil {
		return 0, 0, err
	}
	low, high, known := e.Seq, size, e.At
	for low < high {
		mid := low + (high-low)/2
		var at int64
		if err := db.Model(&Entry{}).Select("at").Where("seq >= ?", mid).Order("seq").Limit(1).Scan(&at).Error; err != nil {
			return 0, 0, err
		}
		if at >= moment-clocksApart {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, known, nil
}
