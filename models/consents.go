package models

import (
	"context"
	"errors"
	"slices"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// Consent is a user's permission for one client at one resource server: standing, or
// for one request that they approved.
type Consent struct {
	ID         string   `gorm:"primaryKey" json:"id"`
	ClientID   string   `json:"client_id"`
	SubjectID  string   `json:"subject_id"`
	ResourceID string   `json:"resource_server_id"`
	Scopes     []string `gorm:"serializer:json" json:"scopes"` // sorted
	// Details of what it is to: objects of the resource server's types (RFC 9396).
	Details       []policies.Detail `gorm:"serializer:json" json:"details,omitempty"`
	Redirects     string            `json:"redirects"`                // RedirectsDigest of the client's, when the user was asked
	PreapprovedBy string            `json:"preapproved_by,omitempty"` // the administrator who agreed in the user's place
	ApprovalID    string            `json:"approval_id,omitempty"`    // the one request it answered, and counts for; "" if it is standing
	CreatedAt     int64             `gorm:"autoCreateTime:false" json:"created_at"`
	UpdatedAt     int64             `gorm:"autoUpdateTime:false" json:"updated_at"`
	ExpiresAt     int64             `json:"expires_at"`
	RevokedAt     int64             `json:"revoked_at"`
}

// GrantConsent says on which consent a grant of a user rests at a resource server.
type GrantConsent struct {
	GrantID    string `gorm:"primaryKey"`
	ResourceID string `gorm:"primaryKey"`
	ConsentID  string
}

// touches what is decided by it, and what is decided by there being none.
func (c *Consent) touches(ch *change) {
	ch.touch("consent", c.ID)
	ch.touch("consents", c.SubjectID+"/"+c.ClientID)
}

// GiveConsent stores what a user answered when asked about some scopes: c.Scopes of
// them are allowed until c.ExpiresAt. Of a consent that is live already what was not
// asked about stays, and makes nothing last longer than it did. c is the result.
func (s *Store) GiveConsent(ctx context.Context, by By, c *Consent, asked []string) error {
	return s.change(ctx, by, ActionGiveConsent, func(ch *change) error { return ch.giveConsent(c, asked, nil) })
}

func (c *change) giveConsent(given *Consent, asked []string, shown []policies.Detail) error {
	var client Client
	if err := c.tx.First(&client, "id = ?", given.ClientID).Error; err != nil {
		return err
	}
	given.Redirects = RedirectsDigest(client.RedirectURIs)
	var before Consent
	err := c.forUpdate().Where("subject_id = ? and client_id = ? and resource_id = ? and approval_id = '' and revoked_at = 0 and expires_at > ? and redirects = ?",
		given.SubjectID, given.ClientID, given.ResourceID, c.now, given.Redirects).Order("id desc").First(&before).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return c.newConsent(given)
	}
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(before.Scopes), func(scope string) bool { return slices.Contains(asked, scope) })
	said := withoutDetails(before.Details, shown)
	if len(given.Scopes) == 0 && len(kept) == len(before.Scopes) && len(said) == len(before.Details) { // what was asked was new, and is not wanted
		*given = before
		return nil
	}
	after := before
	after.Scopes, after.ExpiresAt, after.PreapprovedBy = append(kept, given.Scopes...), given.ExpiresAt, given.PreapprovedBy
	if after.Details, err = c.heldDetails(given.ResourceID, after.Scopes, append(said, given.Details...)); err != nil {
		return err
	}
	if len(kept) > 0 || len(said) > 0 { // nobody was asked whether that may last longer
		after.ExpiresAt = min(before.ExpiresAt, given.ExpiresAt)
	}
	*given = after
	if len(after.Scopes) == 0 { // all of it was asked about, and nothing is allowed any more
		given.Scopes, given.RevokedAt = before.Scopes, c.now
	}
	return c.saveConsent(&before, given)
}

// consentOnce stores what a user answered at a page and what counts for that alone.
func (c *change) consentOnce(given *Consent) error {
	var client Client
	if err := c.tx.First(&client, "id = ?", given.ClientID).Error; err != nil {
		return err
	}
	given.Redirects = RedirectsDigest(client.RedirectURIs)
	return c.newConsent(given)
}

func (c *change) newConsent(row *Consent) error {
	row.ID, row.CreatedAt, row.UpdatedAt, row.RevokedAt = NewID(PrefixConsent), c.now, c.now, 0
	if err := row.validate(c.now); err != nil {
		return err
	}
	if err := c.tx.Create(row).Error; err != nil {
		return blame(err, "consent", "names a user, client or resource server that does not exist")
	}
	row.touches(c)
	return c.record(row.ID, nil, row)
}

func (c *change) saveConsent(before, after *Consent) error {
	after.UpdatedAt = c.now
	if err := after.validate(c.now); err != nil {
		return err
	}
	if err := c.tx.Save(after).Error; err != nil {
		return err
	}
	after.touches(c)
	return c.record(after.ID, before, after)
}

func (c *Consent) validate(now int64) error {
	slices.Sort(c.Scopes)
	c.Scopes = slices.Compact(c.Scopes)
	c.Details = distinctDetails(c.Details)
	for _, scope := range c.Scopes {
		if err := CheckScope("scopes", scope); err != nil {
			return err
		}
	}
	switch {
	case len(c.Scopes) == 0:
		return invalid("scopes", "a consent to nothing is none")
	case c.RevokedAt == 0 && c.ExpiresAt <= now:
		return invalid("expires_at", "is in the past")
	}
	return checkExpiry(c.ExpiresAt)
}

// RevokeConsent takes a consent back, or, if scope is not "", one scope of it.
// Whatever rests on it ends with it, at once. Taking it back twice is no error.
func (s *Store) RevokeConsent(ctx context.Context, by By, id, scope string) error {
	return s.change(ctx, by, ActionRevokeConsent, func(ch *change) error {
		var c Consent
		if err := ch.forUpdate().First(&c, "id = ?", id).Error; err != nil {
			return err
		}
		if c.RevokedAt != 0 {
			return nil
		}
		before := c
		before.Scopes = slices.Clone(c.Scopes)
		if scope != "" {
			i := slices.Index(c.Scopes, scope)
			if i < 0 {
				return nil
			}
			if len(c.Scopes) > 1 {
				c.Scopes = slices.Delete(c.Scopes, i, i+1)
				c.UpdatedAt = ch.now
				var err error
				if c.Details, err = ch.heldDetails(c.ResourceID, c.Scopes, c.Details); err != nil {
					return err
				}
			}
		}
		if len(c.Scopes) == len(before.Scopes) { // all of it, or the last there was
			c.RevokedAt, c.UpdatedAt = ch.now, ch.now
		}
		if err := ch.tx.Save(&c).Error; err != nil {
			return err
		}
		c.touches(ch)
		return ch.record(c.ID, before, c)
	})
}

// Consent reads one consent. ErrNotFound if there is none.
func (s *Store) Consent(ctx context.Context, id string) (*Consent, error) {
	return get[Consent](ctx, s, "getConsent", id)
}

// ConsentFilter narrows a list of consents; empty fields do not.
type ConsentFilter struct {
	ClientID, SubjectID, ResourceID string
	ApprovalID                      string
	Live                            bool // neither expired nor taken back
}

// Consents lists consents, oldest first.
func (s *Store) Consents(ctx context.Context, f ConsentFilter, p Page) ([]Consent, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"client_id": f.ClientID, "subject_id": f.SubjectID, "resource_id": f.ResourceID, "approval_id": f.ApprovalID})
	if f.Live {
		q = q.Where("revoked_at = 0 and expires_at > ?", s.Now())
	}
	return list(q, "listConsents", "id", p, func(c Consent) string { return c.ID })
}

// BeginGrant stores the grant of a user to a client, which rests on a consent at
// each resource server it is for (resource server id -> consent id).
func (s *Store) BeginGrant(ctx context.Context, by By, g *Grant, rests map[string]string) error {
	return s.change(ctx, by, "beginGrant", func(ch *change) error { return ch.beginGrant(g, rests) })
}

func (c *change) beginGrant(g *Grant, rests map[string]string) error {
	g.ID, g.CreatedAt, g.RevokedAt = NewID(PrefixGrant), c.now, 0
	if err := c.tx.Create(g).Error; err != nil {
		return err
	}
	for resource, consent := range rests {
		if err := c.tx.Create(&GrantConsent{GrantID: g.ID, ResourceID: resource, ConsentID: consent}).Error; err != nil {
			return blame(err, "consent", "names none")
		}
	}
	return c.record(g.ID, nil, map[string]any{"grant": g, "consents": rests})
}

// ConsentOf is the consent that a token speaks for its user by: the one on which its
// grant rests at the resource server of the first token of its chain. nil if none.
func (v *View) ConsentOf(ctx context.Context, grantID, txn string) (*policies.Consent, error) {
	return v.consent(ctx, "consent-of:"+grantID+":"+txn, `select gc.consent_id from grant_consents gc
		join tokens t on t.resource_id = gc.resource_id where gc.grant_id = ? and t.id = ?`, grantID, txn)
}

// ConsentAt is the consent on which a grant rests at a resource server. nil if none.
func (v *View) ConsentAt(ctx context.Context, grantID, resourceID string) (*policies.Consent, error) {
	return v.consent(ctx, "consent-at:"+grantID+":"+resourceID,
		"select consent_id from grant_consents where grant_id = ? and resource_id = ?", grantID, resourceID)
}

// consent finds one by its id, which query gives and which never changes.
func (v *View) consent(ctx context.Context, name, query string, args ...any) (*policies.Consent, error) {
	row, err := see(ctx, v, name, func(db *gorm.DB) (*consentRow, []string, error) {
		var id string
		if err := db.Raw(query, args...).Scan(&id).Error; err != nil {
			return nil, nil, err
		}
		var c Consent
		if err := db.First(&c, "id = ?", id).Error; err != nil {
			return nil, nil, err
		}
		row, err := withClient(db, c)
		return row, []string{key("consent", c.ID), key("client", c.ClientID)}, err
	})
	if err != nil || row == nil {
		return nil, err
	}
	return v.consentFact(ctx, row)
}

// ConsentsTo are the standing consents of a user that a client may still go by, at any
// resource server.
func (v *View) ConsentsTo(ctx context.Context, subjectID, clientID string) ([]*policies.Consent, error) {
	pair := subjectID + "/" + clientID
	v.Deps = append(v.Deps, key("consents", pair), key("client", clientID))
	var rows []Consent
	err := v.store.read.WithContext(ctx).Where("subject_id = ? and client_id = ? and approval_id = '' and revoked_at = 0", subjectID, clientID).Order("id").Find(&rows).Error
	if err != nil {
		return nil, wrap("load consents", err)
	}
	out := make([]*policies.Consent, len(rows))
	for i, c := range rows {
		row, err := withClient(v.store.read.WithContext(ctx), c)
		if err != nil {
			return nil, wrap("load consents", err)
		}
		if out[i], err = v.consentFact(ctx, row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// consentRow is a consent, and whether its client sends people back to where it did.
type consentRow struct {
	Consent
	redirectsOK bool
}

func withClient(db *gorm.DB, c Consent) (*consentRow, error) {
	var client Client
	if err := db.First(&client, "id = ?", c.ClientID).Error; err != nil {
		return nil, err
	}
	sentBack := c.Redirects == "" || RedirectsDigest(client.RedirectURIs) == c.Redirects // nobody is, by an approval elsewhere
	return &consentRow{c, sentBack}, nil
}

// consentFact is what policy sees. Its reach follows downstream scopes as they are now.
func (v *View) consentFact(ctx context.Context, c *consentRow) (*policies.Consent, error) {
	fact := &policies.Consent{
		ID: c.ID, Client: c.ClientID, Subject: c.SubjectID, Resource: c.ResourceID, Scopes: map[string]bool{},
		ExpiresAt: c.ExpiresAt, Revoked: c.RevokedAt != 0, RedirectsOK: c.redirectsOK, Approval: c.ApprovalID,
	}
	if len(c.Details) > 0 {
		fact.Details = c.Details
	}
	for _, scope := range c.Scopes {
		fact.Scopes[scope] = true
	}
	var err error
	fact.Reach, err = v.Reach(ctx, c.ResourceID, c.Scopes)
	return fact, err
}
