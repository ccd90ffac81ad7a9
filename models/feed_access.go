package models

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// What somebody may do can change by a role that thousands have. Each change is told by one
// event all the same: about whom it was made to, a principal, a group or a role, and told
// to the resource servers at which scopes of the roles in question are. Which these were
// is kept with the change: later the roles may be others.

// servicesOf are the resource servers at which some roles have scopes, sorted.
func (c *change) servicesOf(roles ...string) (services []string, err error) {
	if len(roles) == 0 {
		return nil, nil
	}
	err = c.tx.Model(&RoleScope{}).Where("role_id in ?", roles).Distinct().Order("resource_id").Pluck("resource_id", &services).Error
	return services, err
}

// servicesThrough are the resource servers at which members of a group may do something
// through it, or through the groups that it is in.
func (c *change) servicesThrough(groupID string) ([]string, error) {
	groups, err := groupsOf(c.tx, groupID)
	if err != nil {
		return nil, err
	}
	var roles []string
	if err := c.tx.Model(&Assignment{}).Where("principal_id in ?", append(groups, groupID)).Distinct().Pluck("role_id", &roles).Error; err != nil {
		return nil, err
	}
	return c.servicesOf(roles...)
}

// recordMember is record of somebody in a group: who, and where that means something.
func (c *change) recordMember(m GroupMember, in bool) error {
	services, err := c.servicesThrough(m.GroupID)
	if err != nil {
		return err
	}
	row := struct {
		GroupMember
		Services []string `json:"services,omitempty"`
	}{m, services}
	if in {
		return c.record(m.GroupID, nil, row)
	}
	return c.record(m.GroupID, row, nil)
}

// recordAssigned is record of a role that somebody has: with where it means something.
func (c *change) recordAssigned(a Assignment, has bool) error {
	services, err := c.servicesOf(a.RoleID)
	if err != nil {
		return err
	}
	row := struct {
		Assignment
		Services []string `json:"services,omitempty"`
	}{a, services}
	if has {
		return c.record(a.ID, nil, row)
	}
	return c.record(a.ID, row, nil)
}

// either is what there was, or is, of something that came or went.
func (c changed) either() state {
	if c.After.Known {
		return c.After
	}
	return c.Before
}

// assignment: somebody, or a group, was given a role, or lost it.
func (n *narrator) assignment(c changed) ([]Event, error) {
	row := c.either()
	return n.accessOf(row.PrincipalID, row.Services)
}

// group: somebody came into it or left it, or it is gone.
func (n *narrator) group(c changed) ([]Event, error) {
	row := c.either()
	switch {
	case row.MemberID != "":
		return n.accessOf(row.MemberID, row.Services)
	case c.After.Known: // of its name services know nothing
		return nil, nil
	}
	return n.accessOf(c.Target, row.Services)
}

// role: its scopes are others, or it is gone. Nobody has a new one.
func (n *narrator) role(c changed) ([]Event, error) {
	if !c.Before.Known {
		return nil, nil
	}
	before, after := c.Before.refs(), c.After.refs()
	var services []string
	for _, ref := range slices.Concat(before, after) {
		if slices.Contains(before, ref) != slices.Contains(after, ref) {
			services = append(services, ref.ResourceID)
		}
	}
	return n.accessOf(c.Target, services)
}

// refs are the scopes of a role.
func (s *state) refs() (refs []ScopeRef) {
	_ = json.Unmarshal(s.Scopes, &refs)
	return refs
}

// accessOf tells that what somebody may do at some resource servers is different now: those
// of them that know a client or user; of a group or a role, all of them.
func (n *narrator) accessOf(id string, services []string) ([]Event, error) {
	slices.Sort(services)
	services = slices.Compact(services)
	if len(services) == 0 {
		return nil, nil
	}
	e, err := n.accessEvent(id)
	switch {
	case err != nil || e.Type == "":
		return nil, err
	case e.RoleID != "" || e.GroupID != "":
		for _, service := range services {
			e.Concerns = append(e.Concerns, Concerned{ID: service})
		}
	default:
		e.Concerns = slices.DeleteFunc(e.Concerns, func(c Concerned) bool { return !slices.Contains(services, c.ID) })
	}
	return []Event{e}, nil
}

// accessEvent is the event that access is another, told to all who know a client or user.
func (n *narrator) accessEvent(id string) (e Event, err error) {
	switch {
	case HasPrefix(id, PrefixRole):
		e = about(id, EventRoleAccess)
		e.RoleID = id
	case HasPrefix(id, PrefixGroup):
		e = about(id, EventGroupAccess)
		e.GroupID = id
	case HasPrefix(id, PrefixUser):
		e = about(id, EventUserAccess)
		e.SubjectID = id
		e.Concerns, err = n.ofUser(id)
	case HasPrefix(id, PrefixAgent) || HasPrefix(id, PrefixApplication):
		e, err = n.clientEvent(id, EventClientAccess)
	}
	return e, err
}

// bounds are what, beside roles and statuses, bounds a client or user.
func (s *state) bounds() [][]byte {
	return [][]byte{s.OwnerID, s.Labels, s.GrantTypes, s.MaxTTL, strconv.AppendInt(nil, s.ExpiresAt, 10)}
}

// rebound tells that a client or user was changed in something of that.
func (c changed) rebound() bool {
	return c.Before.Known && c.After.Known && !slices.EqualFunc(c.Before.bounds(), c.After.bounds(), bytes.Equal)
}

// session: one that somebody ended. Of a person who signs out, or signs in anew at the
// same browser, nobody is told: nothing was taken from them.
func (n *narrator) session(c changed) ([]Event, error) {
	if !c.Before.Known || c.Before.RevokedAt != 0 || c.After.RevokedAt == 0 || n.entry.Action == "signIn" || n.entry.Action == ActionSignOut {
		return nil, nil
	}
	e := about(c.Target, EventSessionRevoked)
	e.SessionID, e.SubjectID = c.Target, c.After.UserID
	var err error
	e.Concerns, err = n.ofUser(c.After.UserID)
	return []Event{e}, err
}
