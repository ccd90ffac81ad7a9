package models

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"gorm.io/gorm"
)

// Changes that deeds tell of.
const (
	ActionGiveConsent   = "giveConsent"
	ActionRevokeConsent = "revokeConsent"
	ActionRevokeAgent   = "revokeAgent"
	ActionPreapprove    = "preapproveConsent"
)

// RevokeAgent takes back everything a user ever gave a client: every consent, and
// every grant with all that hangs from it. Doing so twice is no error.
func (s *Store) RevokeAgent(ctx context.Context, by By, subjectID, clientID string) error {
	return s.change(ctx, by, ActionRevokeAgent, func(ch *change) error {
		var consents []Consent
		if err := ch.forUpdate().Where("subject_id = ? and client_id = ? and revoked_at = 0", subjectID, clientID).Order("id").Find(&consents).Error; err != nil {
			return err
		}
		for _, c := range consents {
			before := c
			c.RevokedAt, c.UpdatedAt = ch.now, ch.now
			if err := ch.tx.Save(&c).Error; err != nil {
				return err
			}
			c.touches(ch)
			if err := ch.record(c.ID, before, c); err != nil {
				return err
			}
		}
		var held []Grant
		err := ch.forUpdate().Where("subject_id = ? and client_id = ? and subject_id <> client_id and revoked_at = 0", subjectID, clientID).Order("id").Find(&held).Error
		for i := 0; err == nil && i < len(held); i++ {
			err = ch.endGrant(&held[i])
		}
		return err
	})
}

// Use is when a client last got a token for a user at a resource server.
type Use struct {
	ClientID, ResourceID string
	At                   int64
}

// LastUses tells of each client and resource server when a token for the user was
// last issued. The ledger holds the decision behind each.
func (s *Store) LastUses(ctx context.Context, subjectID string) ([]Use, error) {
	var uses []Use
	err := s.read.WithContext(ctx).Raw(`select client_id, resource_id, max(issued_at) as at from tokens
		where subject_id = ? and substr(subject_id, 1, 4) = 'usr_' group by client_id, resource_id`, subjectID).Scan(&uses).Error
	return uses, wrap("last uses", err)
}

// OpenTokens counts the tokens of a user that can still be used and hang from what
// they gave to a client; those that rest on one consent only, if it is named.
func (s *Store) OpenTokens(ctx context.Context, subjectID, clientID, consentID string) (int64, error) {
	var n int64
	return n, wrap("count tokens", s.openTokens(ctx, subjectID, clientID, consentID).Count(&n).Error)
}

func (s *Store) openTokens(ctx context.Context, subjectID, clientID, consentID string) *gorm.DB {
	q := s.read.WithContext(ctx).Table("tokens t").Joins("join grants g on g.id = t.grant_id").
		Where("t.subject_id = ? and substr(t.subject_id, 1, 4) = 'usr_' and t.revoked_at = 0 and t.expires_at > ?", subjectID, s.Now()).
		Where("g.client_id = ? and g.subject_id = ? and g.revoked_at = 0", clientID, subjectID)
	if consentID != "" {
		q = q.Where(`exists (select 1 from grant_consents gc join tokens first on first.id = t.txn
			where gc.grant_id = t.grant_id and gc.consent_id = ? and gc.resource_id = first.resource_id)`, consentID)
	}
	return q
}

// deedRounds bounds how far back one look into the ledger goes: so many times
// stretchesAtOnce stretches.
const deedRounds = 32

// Deeds are the entries that tell what a client did for a user, newest first: the
// tokens it was issued or refused, those others exchanged from them, and what the
// user, or an administrator in their place, said to it. They come before the entry of that number, -1: from the newest.
// older is where to go on, -1 at the end; a page may be short, or empty, before that.
func (s *Store) Deeds(ctx context.Context, subjectID, clientID string, before int64, limit int) (rows []Entry, older int64, err error) {
	var size int64
	if err := s.read.WithContext(ctx).Model(&Head{}).Select("size").Scan(&size).Error; err != nil {
		return nil, -1, wrap("deeds", err)
	}
	if before < 0 || before > size {
		before = size
	}
	for round := 0; round < deedRounds && before > 0; round++ {
		found, next, err := s.deedsWithin(ctx, subjectID, clientID, before, limit+1)
		if err != nil {
			return nil, -1, wrap("deeds", err)
		}
		for _, e := range found {
			if e.Kind == KindDecision || e.between(subjectID, clientID) {
				rows = append(rows, e)
			}
		}
		if len(rows) > limit {
			return rows[:limit], rows[limit-1].Seq, nil
		}
		before = next
	}
	if before > 0 {
		return rows, before, nil
	}
	return rows, -1, nil
}

// deedsWithin looks into the stretches before an entry, and tells how far it got.
func (s *Store) deedsWithin(ctx context.Context, subjectID, clientID string, before int64, limit int) (found []Entry, next int64, err error) {
	last := (before - 1) / stretch
	first := max(last-stretchesAtOnce+1, 0)
	some := make([]int64, 0, stretchesAtOnce)
	for n := last; n >= first; n-- {
		some = append(some, n)
	}
	// SECURITY: only what was done for this user, and changes they made themselves.
	err = s.read.WithContext(ctx).Where("(seq / 256) in ? and subject_id = ? and subject_id <> client_id and seq < ?", some, subjectID, before).
		Where(`(kind = ? and action in ?) or (kind = ? and action like 'issue:%' and (client_id = ?
			or (outcome = ? and grant_id in (select id from grants where subject_id = ? and client_id = ? and subject_id <> client_id))))`,
			KindChange, []string{ActionGiveConsent, ActionRevokeConsent, ActionRevokeAgent}, KindDecision, clientID, OutcomeGranted, subjectID, clientID).
		Order("seq desc").Limit(limit).Find(&found).Error
	if err != nil {
		return nil, 0, err
	}
	inPlace, err := s.doneInPlace(ctx, some, subjectID, clientID, before)
	found = append(found, inPlace...)
	slices.SortFunc(found, func(a, b Entry) int { return cmp.Compare(b.Seq, a.Seq) })
	if next = first * stretch; len(found) >= limit {
		found = found[:limit]
		next = found[limit-1].Seq
	}
	return found, next, err
}

// doneInPlace are the changes that somebody else made to a consent of a user: few, and
// they have an index of their own, by whose condition they are asked for.
func (s *Store) doneInPlace(ctx context.Context, stretches []int64, subjectID, clientID string, before int64) (found []Entry, err error) {
	// SECURITY: only what is about this user and client; between looks at it once more.
	about := func(column, id string) string { return `%"` + column + `":"` + id + `"%` }
	err = s.read.WithContext(ctx).Where("(seq / 256) in ? and kind = 'change' and action in ('preapproveConsent', 'revokeConsent')", stretches).
		Where("subject_id <> ? and seq < ? and detail like ? and detail like ?", subjectID, before, about("subject_id", subjectID), about("client_id", clientID)).
		Order("seq desc").Find(&found).Error
	return slices.DeleteFunc(found, func(e Entry) bool { return !e.between(subjectID, clientID) }), err
}

// between tells whether a change is of a consent of a user to a client.
func (e *Entry) between(subjectID, clientID string) bool {
	var d struct {
		After Consent `json:"after"`
	}
	return json.Unmarshal([]byte(e.Detail), &d) == nil && d.After.ResourceID != "" && d.After.SubjectID == subjectID && d.After.ClientID == clientID
}
