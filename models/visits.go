package models

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// PushedPrefix lets scanners find a leaked request_uri.
const PushedPrefix = "dpt_par_"

// How long a client may take to send the user, and the user to answer.
const (
	PushedLife = 2 * time.Minute
	VisitLife  = 30 * time.Minute
)

// Visit is a client that asks for a user: an authorization request, from when it
// comes until it is answered. It is answered once.
type Visit struct {
	ID         string `gorm:"primaryKey"`
	ClientID   string
	PushedHash []byte
	Request    VisitRequest `gorm:"serializer:json"`
	ReturnTo   string       // where the answer goes: one of the client's redirect URIs
	SignIn     []string     `gorm:"serializer:json"` // why somebody must sign in, as policy last said
	SessionID  string       // in which it was last asked about
	CreatedAt  int64        `gorm:"autoCreateTime:false"`
	BeganAt    int64        // when somebody came with it; 0: it was only pushed
	ExpiresAt  int64
	AnsweredAt int64 // 0 until it is
}

// VisitRequest is what the client asks for.
type VisitRequest struct {
	RedirectURI string   `json:"redirect_uri,omitempty"` // as it was sent, "" if it was not
	State       string   `json:"state,omitempty"`
	Nonce       string   `json:"nonce,omitempty"`
	Scopes      []string `json:"scopes"`
	Resources   []string `json:"resources"` // as sent
	Challenge   string   `json:"challenge,omitempty"`
	PKCE        string   `json:"pkce"`
	Prompt      []string `json:"prompt"`
	MaxAge      *int64   `json:"max_age,omitempty"`
	ACRValues   []string `json:"acr_values"`
	LoginHint   string   `json:"login_hint,omitempty"`
	UILocales   []string `json:"ui_locales"`
	Subject     string   `json:"subject,omitempty"` // the user who is meant, "" if anybody
	// Details of the authorization that is asked for (RFC 9396), in its own order.
	Details []policies.Detail `json:"details,omitempty"`
}

// PushVisit keeps a request until its user is sent with the token that is
// returned: this once, and nowhere else.
func (s *Store) PushVisit(ctx context.Context, v *Visit) (token string, err error) {
	v.ID = NewID(PrefixVisit)
	token = newToken(PushedPrefix, v.ID)
	v.PushedHash = HashSecret(token)
	return token, s.newVisit(ctx, v, 0, PushedLife)
}

// BeginVisit keeps a request that a user has come with.
func (s *Store) BeginVisit(ctx context.Context, v *Visit) error {
	v.ID = NewID(PrefixVisit)
	return s.newVisit(ctx, v, s.Now(), VisitLife)
}

// newVisit is no change to anything a decision draws on: the ledger has the decisions.
func (s *Store) newVisit(ctx context.Context, v *Visit, began int64, life time.Duration) error {
	v.CreatedAt, v.BeganAt, v.AnsweredAt = s.Now(), began, 0
	v.ExpiresAt = v.CreatedAt + int64(life/time.Second)
	if v.SignIn == nil {
		v.SignIn = []string{}
	}
	return wrap("keep visit", s.write.WithContext(ctx).Create(v).Error)
}

// Visit is one that has begun and waits for its answer. ErrNotFound if there is none.
func (s *Store) Visit(ctx context.Context, id string) (*Visit, error) {
	var v Visit
	err := s.read.WithContext(ctx).First(&v, "id = ? and began_at > 0 and answered_at = 0 and expires_at > ?", id, s.Now()).Error
	if err != nil {
		return nil, wrap("load visit", absent(err))
	}
	return &v, nil
}

// PushedVisit begins what a client has pushed, or goes on with it: browsers load
// pages twice (RFC 9126 section 4). ErrNotFound unless it is this client's, and
// waits for its answer.
func (s *Store) PushedVisit(ctx context.Context, token, clientID string) (*Visit, error) {
	var v Visit
	id, now := opens(PushedPrefix, PrefixVisit, token), s.Now()
	err := s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		err := tx.First(&v, "id = ? and client_id = ? and answered_at = 0 and expires_at > ?", id, clientID, now).Error
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(v.PushedHash, HashSecret(token)) != 1 {
			return ErrNotFound
		}
		if v.BeganAt != 0 {
			return nil
		}
		v.BeganAt, v.ExpiresAt = now, now+int64(VisitLife/time.Second)
		return tx.Model(&v).Where("began_at = 0").Updates(map[string]any{"began_at": v.BeganAt, "expires_at": v.ExpiresAt}).Error
	})
	if err != nil {
		return nil, wrap("load visit", absent(err))
	}
	return &v, nil
}

// AskVisit notes in which session a visit is asked about, or why there must be
// another one first.
func (s *Store) AskVisit(ctx context.Context, v *Visit, sessionID string, signIn []string) error {
	v.SessionID, v.SignIn = sessionID, signIn
	if signIn == nil {
		v.SignIn = []string{}
	}
	err := s.write.WithContext(ctx).Model(v).Select("session_id", "sign_in").Where("answered_at = 0").Updates(v).Error
	return wrap("ask visit", err)
}

// Given is what a user answered about the scopes of one resource server, and the
// details there.
type Given struct {
	Consent Consent
	Asked   []string
	Once    bool // it counts for this request alone
	Shown   []policies.Detail
}

// Allowed is what follows when a visit is answered with a code.
type Allowed struct {
	Visit   string            // id
	Given   []Given           // consents that the user gave just now
	Rests   map[string]string // resource server id -> id of the consent given before, where none was given now
	Until   int64             // end of the grant
	Subject string
	Code    Code
}

// AllowVisit answers a visit: the consents, the grant that rests on them and the code
// come together or not at all. The code is returned: this once, and nowhere else.
// ErrUsed if the visit was answered before. ErrStale if what by.Seen says changed.
func (s *Store) AllowVisit(ctx context.Context, by By, a Allowed) (code string, err error) {
	err = s.change(ctx, by, "beginGrant", func(c *change) error {
		v, err := c.answerVisit(a.Visit)
		if err != nil {
			return err
		}
		once, err := c.approvedHere(v, a)
		if err != nil {
			return err
		}
		rests, err := c.restsOn(a, once)
		if err != nil {
			return err
		}
		grant := &Grant{Kind: "authorization_code", ClientID: v.ClientID, SubjectID: a.Subject, ExpiresAt: a.Until}
		row := a.Code
		if code, err = c.newCode(grant, rests, &row); err != nil || once == nil {
			return err
		}
		return c.tx.Model(once).Update("grant_id", grant.ID).Error
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// approvedHere is the approval of a visit in which something counts once, nil if
// nothing does.
func (c *change) approvedHere(v *Visit, a Allowed) (*Approval, error) {
	if !slices.ContainsFunc(a.Given, func(g Given) bool { return g.Once }) {
		return nil, nil
	}
	row := &Approval{
		ID: NewID(PrefixApproval), Kind: ApprovalConsent, ClientID: v.ClientID, SubjectID: a.Subject, Delivery: DeliveryPoll, State: ApprovalApproved,
		Request: ApprovalRequest{Scopes: v.Request.Scopes, Resources: v.Request.Resources, ACRValues: v.Request.ACRValues, Details: v.Request.Details},
		Hash:    HashCode(v.ID), CreatedAt: c.now, ExpiresAt: c.now, AnsweredAt: c.now,
	}
	if err := row.seal(); err != nil {
		return nil, err
	}
	if err := c.tx.Create(row).Error; err != nil {
		return nil, err
	}
	row.touches(c)
	return row, c.as("allowApproval", func() error { return c.record(row.ID, nil, row) })
}

// restsOn stores the consents that were given just now, and returns on which one the
// grant rests at each resource server.
func (c *change) restsOn(a Allowed, once *Approval) (map[string]string, error) {
	rests := map[string]string{}
	for resource := range a.Code.Scopes {
		rests[resource] = a.Rests[resource]
	}
	for _, g := range a.Given {
		consent := g.Consent
		give := func() error { return c.giveConsent(&consent, g.Asked, g.Shown) }
		if g.Once {
			consent.ApprovalID = once.ID
			give = func() error { return c.consentOnce(&consent) }
		}
		if err := c.as(ActionGiveConsent, give); err != nil {
			return nil, err
		}
		if _, ok := rests[consent.ResourceID]; ok {
			rests[consent.ResourceID] = consent.ID
		}
	}
	return rests, nil
}

// CloseVisit answers a visit with a refusal. ErrUsed if it was answered before.
func (s *Store) CloseVisit(ctx context.Context, id string) error {
	res := s.write.WithContext(ctx).Model(&Visit{}).Where("id = ? and answered_at = 0 and expires_at > ?", id, s.Now()).Update("answered_at", s.Now())
	return wrap("close visit", is(res.RowsAffected, res.Error))
}

func (c *change) answerVisit(id string) (*Visit, error) {
	var v Visit
	err := c.forUpdate().First(&v, "id = ?", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, ErrUsed // and forgotten since
	}
	if err != nil {
		return nil, err
	}
	res := c.tx.Model(&v).Where("answered_at = 0 and expires_at > ?", c.now).Update("answered_at", c.now)
	return &v, is(res.RowsAffected, res.Error)
}

// PurgeVisits forgets visits that ended before a moment.
func (s *Store) PurgeVisits(ctx context.Context, moment int64) error {
	return wrap("purge visits", s.write.WithContext(ctx).Where("expires_at < ?", moment).Delete(&Visit{}).Error)
}

// InSession ties a decision to a session: if that ends first, it is decided again.
func (v *View) InSession(id string) { v.Deps = append(v.Deps, key("session", id)) }
