package models

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"gorm.io/gorm"

	"github.com/deputyauth/deputy/policies"
)

// Prefixes let scanners find leaked auth_req_ids and device codes.
const (
	AuthReqPrefix    = "dpt_arq_"
	DeviceCodePrefix = "dpt_dvc_"
)

// Kinds of approvals: how a client asks.
const (
	ApprovalCIBA    = "ciba"
	ApprovalDevice  = "device"
	ApprovalConsent = "consent" // at the consent page, for what is risky
	ApprovalMachine = "machine" // for one token request of a machine grant; see ApprovalRequest.GrantType
)

// States of an approval. One that waits and whose time is over has expired.
const (
	ApprovalPending   = "pending"
	ApprovalApproved  = "approved"
	ApprovalDenied    = "denied"
	ApprovalCancelled = "cancelled"
	ApprovalExpired   = "expired"
	ApprovalUsed      = "used" // of a machine: a token was issued for it
)

// Approval is what a client asks of a person for one request, and what they answered.
type Approval struct {
	ID                string          `gorm:"primaryKey" json:"id"`
	Kind              string          `json:"kind"`
	ClientID          string          `json:"client_id"`
	SubjectID         string          `json:"subject_id"` // "" until somebody types the code of a device
	Request           ApprovalRequest `gorm:"serializer:json" json:"request"`
	Digest            string          `json:"digest"` // SHA-256 of all that was asked, in hex
	Hash              string          `json:"-"`      // of auth_req_id or device_code; see HashCode
	UserCodeHash      *string         `json:"-"`
	CompareCode       string          `json:"compare_code"` // shown at both ends
	Delivery          string          `json:"delivery"`
	NotificationToken []byte          `json:"-"` // what its client is told with, sealed; nil: it asks, or was told
	State             string          `json:"state"`
	Reported          int64           `json:"reported"` // 1: whoever denied it says that something is wrong with it
	IP                string          `gorm:"column:ip" json:"ip"`
	UserAgent         string          `json:"user_agent"`
	GrantID           string          `json:"grant_id"` // what began with it
	CreatedAt         int64           `gorm:"autoCreateTime:false" json:"created_at"`
	ExpiresAt         int64           `json:"expires_at"` // until when it waits for an answer
	AnsweredAt        int64           `json:"answered_at"`

	// The rest is of a machine: what was allowed, until when, and what became of it.
	Granted       ApprovalGranted `gorm:"serializer:json" json:"granted"`
	ApprovedUntil int64           `json:"approved_until"`
	UsedAt        int64           `json:"used_at"` // 0 until it is
	TokenID       string          `json:"token_id"`
}

// ApprovalGranted is what a person allowed a machine to have, once.
type ApprovalGranted struct {
	Scopes  map[string][]string          `json:"scopes,omitempty"`  // resource server id -> names
	Details map[string][]policies.Detail `json:"details,omitempty"` // likewise
}

// ApprovalRequest is what the client asks for.
type ApprovalRequest struct {
	Scopes    []string `json:"scopes"`
	Resources []string `json:"resources"` // as sent
	Message   string   `json:"message,omitempty"`
	ACRValues []string `json:"acr_values"`
	// Details of the authorization that is asked for (RFC 9396), in its own order.
	Details []policies.Detail `json:"details,omitempty"`
	// Of a machine: the grant type of the token request that is to be approved, and the
	// id of the token that it would exchange.
	GrantType string `json:"grant_type,omitempty"`
	Parent    string `json:"parent,omitempty"`
}

// Now is the state of the approval at a moment.
func (a *Approval) Now(moment int64) string {
	if a.State == ApprovalPending && a.ExpiresAt <= moment {
		return ApprovalExpired
	}
	return a.State
}

// base20 has no letter that looks like another, and spells nothing (RFC 8628 section 6.1).
const base20 = "BCDFGHJKLMNPQRSTVWXZ"

func base20Code(n int) string {
	b := make([]byte, 0, n)
	for len(b) < n {
		var draw [1]byte
		_, _ = rand.Read(draw[:])
		if int(draw[0]) < 256/len(base20)*len(base20) { // the rest would come up more often
			b = append(b, base20[int(draw[0])%len(base20)])
		}
	}
	return string(b)
}

// NormalUserCode is the form in which codes of devices are compared: people type
// small letters, hyphens and blanks.
func NormalUserCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(strings.TrimSpace(typed)))
}

// seal fixes what was asked: whatever is answered is answered to exactly that.
func (a *Approval) seal() error {
	body, err := json.Marshal(struct {
		ID, Kind, Client string
		Request          ApprovalRequest
	}{a.ID, a.Kind, a.ClientID, a.Request})
	sum := sha256.Sum256(body)
	a.Digest = hex.EncodeToString(sum[:])
	return err
}

// Asked are the secrets of a new approval: this once, and nowhere else.
type Asked struct {
	Secret   string // auth_req_id or device_code
	UserCode string // of a device, as it is to be shown
}

// Ask stores what a client asks a person, and has them told. ErrStale if what by.Seen
// says changed.
func (s *Store) Ask(ctx context.Context, by By, a *Approval, t Telling) (Asked, error) {
	var secrets Asked
	a.ID, a.State, a.CompareCode = NewID(PrefixApproval), ApprovalPending, base20Code(4)
	switch a.Kind {
	case ApprovalCIBA, ApprovalMachine:
		secrets.Secret = newSecret(AuthReqPrefix)
	case ApprovalDevice:
		code := base20Code(8)
		secrets.Secret, secrets.UserCode = newSecret(DeviceCodePrefix), code[:4]+"-"+code[4:]
		hash := HashCode(code)
		a.UserCodeHash, a.CompareCode = &hash, secrets.UserCode
	}
	a.Hash = HashCode(secrets.Secret)
	if err := a.seal(); err != nil {
		return Asked{}, err
	}
	if t.Seal != nil {
		a.NotificationToken = t.Seal(a, secrets.Secret)
	}
	err := s.change(ctx, by, "askApproval", func(c *change) error {
		a.CreatedAt = c.now
		if err := c.tx.Create(a).Error; err != nil {
			return err
		}
		if err := c.tellAsked(a, t.Channels); err != nil {
			return err
		}
		a.touches(c)
		return c.record(a.ID, nil, a.told())
	})
	return secrets, err
}

// told is the approval without the code of a device: whoever knows that may answer.
func (a *Approval) told() Approval {
	out := *a
	if a.Kind == ApprovalDevice {
		out.CompareCode = ""
	}
	return out
}

func (a *Approval) touches(c *change) {
	c.touch("approval", a.ID)
	if a.SubjectID != "" {
		c.touch("asked", a.SubjectID)
	}
}

// ClaimApproval makes a device's request that of the user who typed its code.
// ErrNotFound if no request waits under it, or another user was first.
func (s *Store) ClaimApproval(ctx context.Context, by By, userCode, userID string) (id string, err error) {
	err = s.change(ctx, by, "claimApproval", func(c *change) error {
		var a Approval
		err := c.forUpdate().First(&a, "user_code_hash = ? and state = ? and expires_at > ?", HashCode(NormalUserCode(userCode)), ApprovalPending, c.now).Error
		if err != nil {
			return err
		}
		id = a.ID
		switch a.SubjectID {
		case userID:
			return nil
		case "":
		default:
			return ErrNotFound
		}
		a.SubjectID = userID
		if err := c.tx.Save(&a).Error; err != nil {
			return err
		}
		a.touches(c)
		return c.record(a.ID, nil, map[string]any{"subject_id": userID})
	})
	return id, err
}

// AllowApproval answers an approval: a consent for it alone, at each resource server,
// a grant that rests on them, and what the client's secret is worth from now on come
// together or not at all; of a machine's, see allowMachine. ErrUsed if it was answered
// before, or too late.
func (s *Store) AllowApproval(ctx context.Context, by By, id string, a Allowed) error {
	return s.change(ctx, by, "allowApproval", func(c *change) error {
		row, err := c.answerApproval(id, ApprovalApproved, false)
		if err != nil {
			return err
		}
		if row.Kind == ApprovalMachine {
			return c.allowMachine(row, a)
		}
		grant, err := c.restsOnApproval(row, a)
		if err != nil {
			return err
		}
		code := a.Code
		code.Hash, code.ExpiresAt = row.Hash, max(row.ExpiresAt, c.now+CodeLife)
		if err := c.putCode(grant, &code); err != nil {
			return err
		}
		row.GrantID = grant.ID
		if err := c.tx.Model(row).Update("grant_id", grant.ID).Error; err != nil {
			return err
		}
		return c.record(row.ID, nil, row.told())
	})
}

// restsOnApproval begins a grant with a consent of its own at each resource server.
func (c *change) restsOnApproval(row *Approval, a Allowed) (*Grant, error) {
	rests := map[string]string{}
	for resource, scopes := range a.Code.Scopes {
		consent := Consent{ClientID: row.ClientID, SubjectID: row.SubjectID, ResourceID: resource, Scopes: scopes,
			Details: a.Code.Details[resource], ExpiresAt: a.Until, ApprovalID: row.ID}
		if err := c.as(ActionGiveConsent, func() error { return c.newConsent(&consent) }); err != nil {
			return nil, err
		}
		rests[resource] = consent.ID
	}
	grant := &Grant{Kind: row.Kind, ClientID: row.ClientID, SubjectID: row.SubjectID, ExpiresAt: a.Until}
	return grant, c.as("beginGrant", func() error { return c.beginGrant(grant, rests) })
}

// DenyApproval answers an approval with no. Whoever reports it says besides that
// something is wrong with it. ErrUsed if it was answered before.
func (s *Store) DenyApproval(ctx context.Context, by By, id string, report bool) error {
	return s.change(ctx, by, "denyApproval", func(c *change) error {
		row, err := c.answerApproval(id, ApprovalDenied, report)
		if err != nil {
			return err
		}
		return c.record(row.ID, nil, row.told())
	})
}

// answerApproval is how an approval leaves the state pending: once.
func (c *change) answerApproval(id, state string, report bool) (*Approval, error) {
	var a Approval
	err := c.forUpdate().First(&a, "id = ?", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, ErrUsed // and forgotten since
	}
	if err != nil {
		return nil, err
	}
	if a.Now(c.now) != ApprovalPending {
		return nil, ErrUsed
	}
	a.State, a.AnsweredAt = state, c.now
	if report {
		a.Reported = 1
	}
	a.touches(c)
	if err := c.tx.Save(&a).Error; err != nil {
		return nil, err
	}
	return &a, c.tellAnswered(&a)
}

// Approval reads one approval. ErrNotFound if there is none.
func (s *Store) Approval(ctx context.Context, id string) (*Approval, error) {
	return get[Approval](ctx, s, "getApproval", id)
}

// ApprovalFilter narrows a list of approvals; empty fields do not.
type ApprovalFilter struct {
	ClientID, SubjectID string
	State               string
}

// Approvals lists approvals, oldest first.
func (s *Store) Approvals(ctx context.Context, f ApprovalFilter, p Page) ([]Approval, string, error) {
	q := where(s.read.WithContext(ctx), map[string]string{"client_id": f.ClientID, "subject_id": f.SubjectID})
	switch f.State {
	case "":
	case ApprovalPending:
		q = q.Where("state = ? and expires_at > ?", ApprovalPending, s.Now())
	case ApprovalExpired:
		q = q.Where("state = ? and expires_at <= ?", ApprovalPending, s.Now())
	default:
		q = q.Where("state = ?", f.State)
	}
	return list(q, "listApprovals", "id", p, func(a Approval) string { return a.ID })
}

// AskedOf are the latest requests to a user, newest first.
func (s *Store) AskedOf(ctx context.Context, userID string, n int) ([]Approval, error) {
	var rows []Approval
	err := s.read.WithContext(ctx).Where("subject_id = ? and kind <> ?", userID, ApprovalConsent).Order("id desc").Limit(n).Find(&rows).Error
	return rows, wrap("list approvals", err)
}

// PurgeApprovals forgets approvals that ended before a moment, unless a grant that
// began with them is still there.
func (s *Store) PurgeApprovals(ctx context.Context, moment int64) error {
	return wrap("purge approvals", s.write.WithContext(ctx).Where("expires_at < ? and grant_id = ''", moment).Delete(&Approval{}).Error)
}
