package models

import (
	"cmp"
	"maps"
	"slices"

	"gorm.io/gorm"
)

// narrow finds the roles that would do: those that give nothing the client does not
// hold, and together all that it should keep, with as little besides as there is.
func (u *Unused) narrow(db *gorm.DB, idle map[ScopeRef]bool) error {
	if len(idle) == 0 || len(u.Narrower.Scopes) == 0 {
		return nil
	}
	mine := make([]string, len(u.Roles))
	for i, src := range u.Roles {
		mine[i] = src.RoleID
	}
	var rows []RoleScope
	err := db.Raw(`select role_id, resource_id, scope from role_scopes where role_id not in (
		select r.role_id from role_scopes r where not exists (
			select 1 from role_scopes h where h.role_id in ? and h.resource_id = r.resource_id and h.scope = r.scope))`, mine).Scan(&rows).Error
	if err != nil {
		return err
	}
	within := map[string][]ScopeRef{}
	for _, row := range rows {
		within[row.RoleID] = append(within[row.RoleID], ScopeRef{row.ResourceID, row.Scope})
	}
	chosen, spare := cover(within, mine, u.Narrower.Scopes, idle)
	if spare == len(idle) || len(chosen) == 0 {
		return nil
	}
	u.Narrower.Spare = spare
	return db.Where("id in ?", chosen).Order("name").Find(&u.Narrower.Roles).Error
}

// cover chooses roles that together hold all of keep, and tells how many of the idle
// scopes they hold besides; none if there are no such roles. One after the other is
// taken, the one that gives least besides; of those the one that gives most, and of
// those one that is among mine.
func cover(roles map[string][]ScopeRef, mine []string, keep []ScopeRef, idle map[ScopeRef]bool) (chosen []string, spare int) {
	left := map[ScopeRef]bool{}
	for _, ref := range keep {
		left[ref] = true
	}
	extra := map[ScopeRef]bool{} // that is not used, and that those chosen give
	for len(left) > 0 {
		var best offer
		for _, id := range slices.Sorted(maps.Keys(roles)) {
			o := offer{id: id, other: !slices.Contains(mine, id)}
			for _, ref := range roles[id] {
				switch {
				case left[ref]:
					o.gives++
				case idle[ref] && !extra[ref]:
					o.besides++
				}
			}
			if o.gives > 0 && (best.id == "" || o.compare(best) < 0) {
				best = o
			}
		}
		if best.id == "" {
			return nil, 0
		}
		chosen = append(chosen, best.id)
		for _, ref := range roles[best.id] {
			delete(left, ref)
			if idle[ref] {
				extra[ref] = true
			}
		}
	}
	chosen, extra = needed(roles, chosen, keep), map[ScopeRef]bool{}
	for _, id := range chosen {
		for _, ref := range roles[id] {
			if idle[ref] {
				extra[ref] = true
			}
		}
	}
	return chosen, len(extra)
}

// offer is what a role would add to those that were chosen.
type offer struct {
	id             string
	gives, besides int  // of what is to be kept, and of what is not used
	other          bool // the client does not have it
}

func (o offer) compare(to offer) int {
	last := 0
	switch {
	case to.other && !o.other:
		last = -1
	case o.other && !to.other:
		last = 1
	}
	return cmp.Or(cmp.Compare(o.besides, to.besides), cmp.Compare(to.gives, o.gives), last)
}

// needed leaves out roles of which the others hold everything that is to be kept. Those
// chosen first are looked at first: later ones were taken for what nothing else gave.
func needed(roles map[string][]ScopeRef, chosen []string, keep []ScopeRef) []string {
	for i := 0; i < len(chosen); {
		held := map[ScopeRef]bool{}
		for j, id := range chosen {
			for _, ref := range roles[id] {
				held[ref] = held[ref] || j != i
			}
		}
		if slices.ContainsFunc(keep, func(ref ScopeRef) bool { return !held[ref] }) {
			i++
			continue
		}
		chosen = slices.Delete(chosen, i, i+1)
	}
	return chosen
}
