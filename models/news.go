package models

import (
	"context"

	"gorm.io/gorm"
)

// As what somebody is told something, of a client if nothing else is said.
const (
	ToldHolder        = "holder"        // whose session or link it was, of no client
	ToldOwner         = "owner"         // who answers for it
	ToldPerson        = "person"        // for whom it held what ended
	ToldFormer        = "former"        // who answered for it until somebody else accepted to
	ToldOfferer       = "offerer"       // who offered it, and does not answer for it
	ToldAdministrator = "administrator" // who may change it, where nobody answers for it
	ToldOperator      = "operator"      // whoever runs this server, then too
)

// newsLife is how long word of what happened is tried, in seconds: mail may rest over a
// weekend, and this must not be lost to that.
const newsLife = 7 * 24 * 3600

// administratorsTold bounds how many are told that nobody answers for a client.
const administratorsTold = 20

// EndLeaked ends what a secret opens that was found in the open - a credential, a grant,
// a token, a session or a link, by its id - and has told whom it concerns, all in one. What had ended
// before is told to nobody.
func (s *Store) EndLeaked(ctx context.Context, by By, id string) error {
	switch {
	case HasPrefix(id, PrefixSession):
		return s.endLeakedSession(ctx, by, id)
	case HasPrefix(id, PrefixLink):
		return s.endLeakedLink(ctx, by, id)
	case HasPrefix(id, PrefixCredential):
		return s.change(ctx, by, "revokeCredential", func(c *change) error {
			var row Credential
			if err := c.tx.First(&row, "id = ?", id).Error; err != nil {
				return err
			}
			return c.endLeaked(id, row.ClientID, "", func() error { return c.revokeCredential(row.ClientID, id) })
		})
	case HasPrefix(id, PrefixGrant):
		return s.change(ctx, by, "revokeGrant", func(c *change) error {
			var row Grant
			if err := c.tx.First(&row, "id = ?", id).Error; err != nil {
				return err
			}
			return c.endLeaked(id, row.ClientID, row.SubjectID, func() error { return c.revokeGrant(id) })
		})
	}
	return s.change(ctx, by, "revokeToken", func(c *change) error {
		var row Token
		if err := c.tx.First(&row, "id = ?", id).Error; err != nil {
			return err
		}
		return c.endLeaked(id, row.ClientID, row.SubjectID, func() error { return c.revokeToken(id) })
	})
}

// endLeaked has whoever answers for a client told that a secret was found in the open,
// and what ended with it, if end ended anything. subjectID is for whom it was held; a
// person is told, too, unless they are the owner.
func (c *change) endLeaked(ended, clientID, subjectID string, end func() error) error {
	if err := end(); err != nil || len(c.entries) == 0 {
		return err
	}
	var client Client
	if err := c.tx.First(&client, "id = ?", clientID).Error; err != nil {
		return err
	}
	n := Notice{Kind: NoticeLeak, Ref: ended, ClientID: clientID, EndsAt: c.now + newsLife}
	if err := c.notice(n); err != nil {
		return err
	}
	if !HasPrefix(subjectID, PrefixUser) || client.OwnerID != nil && *client.OwnerID == subjectID {
		return nil
	}
	n.SubjectID, n.ToldAs = subjectID, ToldPerson
	return c.notice(n)
}

// Answers is who answers for a client: its owner, if they are there; nil if nobody does.
func (s *Store) Answers(ctx context.Context, c *Client) (*User, error) {
	if c.OwnerID == nil {
		return nil, nil
	}
	u, err := s.User(ctx, *c.OwnerID)
	if err != nil || u.Status != StatusActive || u.ExpiresAt <= s.Now() {
		return nil, err
	}
	return u, nil
}

// Administrators are the ids of some who may change clients: to be told of what happened
// to one, by its id, where nobody else can be. This is no rule of who may know what: a
// letter tells only what its reader can read by the rights that are asked for here -
// the name of the client, how its credential is called, and when it ends or was revoked
// by clients:read, that a grant or token of it was by tokens:read too - and whoever may
// change it can help. The decision at the API stays policy's (floor.admin).
func (s *Store) Administrators(ctx context.Context, thing string) ([]string, error) {
	rights := []string{"clients:read", "clients:write"}
	if HasPrefix(thing, PrefixGrant) || HasPrefix(thing, PrefixToken) {
		rights = append(rights, "tokens:read")
	}
	var ids []string
	err := s.read.WithContext(ctx).Raw(`with recursive holders(id, scope) as (
		select a.principal_id, r.scope from assignments a join role_scopes r on r.role_id = a.role_id
			where r.resource_id = @self and r.scope in @rights
		union
		select m.member_id, h.scope from group_members m join holders h on m.group_id = h.id
	) select u.id from users u join holders h on h.id = u.id where u.status = @active and u.expires_at > @now
		group by u.id having count(*) = @needed order by u.id limit @most`,
		map[string]any{"self": SelfID, "rights": rights, "needed": len(rights), "active": StatusActive, "now": s.Now(), "most": administratorsTold}).Scan(&ids).Error
	return ids, wrap("administrators", err)
}

// SpreadNotice puts, in the place of a notice that nobody in particular gets yet, one
// for each receiver and channel. It does so once: what another replica spread, or
// settled, stays as it is.
func (s *Store) SpreadNotice(ctx context.Context, n Notice, to []Notice) error {
	return wrap("spread notice", s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		res := tx.Where("id = ? and next_at = ?", n.ID, n.NextAt).Delete(&Notice{})
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		for _, one := range to {
			one.ID, one.Kind, one.Ref, one.ClientID = NewID(PrefixNotice), n.Kind, n.Ref, n.ClientID
			one.CreatedAt, one.EndsAt, one.NextAt, one.Tries = n.CreatedAt, n.EndsAt, s.Now(), 0
			if err := tx.Create(&one).Error; err != nil {
				return err
			}
		}
		return nil
	}))
}
