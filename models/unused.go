package models

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// Unused is what a client holds and does not use, as far as tokens tell.
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

// UnusedScopes tells which scopes a client holds that no token carried which it, or
// somebody by it, was issued in the last days. What was given to it later than that is
// not among them, and nothing is of a client that is younger.
func (s *Store) UnusedScopes(ctx context.Context, clientID string, days int64, p Page) (u *Unused, next string, err error) {
	u = &Unused{Since: s.Now() - days*secondsADay}
	asked, idle := u.Since, map[ScopeRef]bool{}
	var held []EffectiveScope
	err = s.snapshot(ctx, func(db *gorm.DB) error {
		if held, err = u.held(db, clientID, asked); err != nil || u.TooYoung {
			return err
		}
		idle, err = old(db, clientID, held, asked)
		return err
	})
	if err == nil && !u.TooYoung {
		err = s.forgetUsed(ctx, clientID, u, idle)
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
		return explain(db, clientID, u.Scopes)
	})
	return u, next, wrap("list unused scopes", err)
}

func (e EffectiveScope) ref() ScopeRef { return ScopeRef{e.ResourceID, e.Scope} }

// held is what a client holds, by resource server and scope. It tells whether the
// client is too young, and what it has it through.
func (u *Unused) held(db *gorm.DB, clientID string, asked int64) ([]EffectiveScope, error) {
	var c Client
	if err := db.First(&c, "id = ?", clientID).Error; err != nil {
		return nil, err
	}
	rows, err := heldScopes(db, clientID)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b EffectiveScope) int { return strings.Compare(a.key(), b.key()) })
	u.Held, u.TooYoung = len(rows), c.CreatedAt > asked
	sources, err := sourcesOf(db, clientID)
	for _, src := range sources {
		u.Roles = append(u.Roles, src)
	}
	slices.SortFunc(u.Roles, func(a, b ScopeSource) int { return strings.Compare(a.RoleID, b.RoleID) })
	return rows, err
}

// old are those of the scopes that a client was given before a moment, by any role.
func old(db *gorm.DB, clientID string, held []EffectiveScope, moment int64) (map[ScopeRef]bool, error) {
	groups, err := groupsOf(db, clientID)
	if err != nil {
		return nil, err
	}
	var given []string
	err = db.Model(&Assignment{}).Where("principal_id in ? and created_at <= ?", append(groups, clientID), moment).Distinct().Pluck("role_id", &given).Error
	out := map[ScopeRef]bool{}
	for _, e := range held {
		if slices.ContainsFunc(e.Roles, func(src ScopeSource) bool { return slices.Contains(given, src.RoleID) }) {
			out[e.ref()] = true
		}
	}
	return out, err
}

// forgetUsed takes out of idle what tokens carried, from the newest back, until nothing
// is left of it or all were seen.
func (s *Store) forgetUsed(ctx context.Context, clientID string, u *Unused, idle map[ScopeRef]bool) error {
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
	for last := size / stretch; last >= first/stretch && len(idle) > 0; last -= stretchesAtOnce {
		some := make([]int64, 0, stretchesAtOnce)
		for n := last; n > last-stretchesAtOnce && n >= first/stretch; n-- {
			some = append(some, n)
		}
		var found []struct{ ResourceID, Scopes string }
		err := db.Raw(usedScopes, map[string]any{"stretches": some, "client": clientID, "since": u.Since}).Scan(&found).Error
		if err != nil {
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
