package models

import (
	"context"
	"crypto/subtle"
)

// SessionPrefix lets scanners find a leaked session secret.
const SessionPrefix = "dpt_ses_"

// Session is a browser somebody signed in with.
type Session struct {
	ID         string   `gorm:"primaryKey" json:"id"`
	UserID     string   `json:"user_id"`
	SecretHash []byte   `json:"-"`
	CreatedAt  int64    `gorm:"autoCreateTime:false" json:"created_at"`
	LastSeenAt int64    `json:"last_seen_at"`
	AuthTime   int64    `json:"auth_time"` // when they last proved who they are
	ACR        string   `gorm:"column:acr" json:"acr"`
	AMR        []string `gorm:"column:amr;serializer:json" json:"amr"` // RFC 8176
	IP         string   `json:"ip"`
	UserAgent  string   `json:"user_agent"`
	ExpiresAt  int64    `json:"expires_at"`
	RevokedAt  int64    `json:"revoked_at"`
	UpstreamID string   `json:"upstream_id,omitempty"` // provider they signed in with, "" if here
}

// SignIn is the beginning of a session, with all that it uses up: either all of
// it is done, or nothing. What is empty plays no part.
type SignIn struct {
	Session  Session
	Replaces string    // the session this browser had, which ends
	Password *Password // as it was verified; it must still be that
	Link     string    // token of the second step that this completes
	Step     int64     // of the second factor, whose code was given
	Passkey  *Passkey  // as it was verified, with its new count
	Once     *Once     // the challenge that was answered
	Identity *Identity // at the provider that vouched for them; it must still be theirs
}

// BeginSession signs a user in. The session's secret is returned: this once, and
// nowhere else. When they proved who they are is now, if it is not said to be
// earlier. ErrUsed: something that works once was used before.
// ErrVersion: the password was changed since. ErrNotFound: nobody who may sign in.
func (s *Store) BeginSession(ctx context.Context, by By, in SignIn) (secret string, session *Session, err error) {
	row := in.Session
	err = s.change(ctx, by, "signIn", func(c *change) error {
		if err := c.live(row.UserID); err != nil {
			return err
		}
		if err := c.verified(in); err != nil {
			return err
		}
		if in.Replaces != "" {
			if err := c.replaceSession(in.Replaces); err != nil {
				return err
			}
		}
		row.ID, row.RevokedAt = NewID(PrefixSession), 0
		secret = newToken(SessionPrefix, row.ID)
		row.SecretHash = HashSecret(secret)
		row.CreatedAt, row.LastSeenAt = c.now, c.now
		if row.AuthTime == 0 || row.AuthTime > c.now {
			row.AuthTime = c.now
		}
		if err := c.tx.Create(&row).Error; err != nil {
			return err
		}
		return c.record(row.ID, nil, row)
	})
	if err != nil {
		return "", nil, err
	}
	return secret, &row, nil
}

// live holds a user who may sign in now. ErrNotFound if they may not.
func (c *change) live(userID string) error {
	var u User
	return c.forUpdate().First(&u, "id = ? and status = ? and expires_at > ?", userID, StatusActive, c.now).Error
}

// verified makes sure that what was verified before the change is still so, and
// uses up what works once.
func (c *change) verified(in SignIn) error {
	user := in.Session.UserID
	if p := in.Password; p != nil {
		var now Password
		if err := c.forUpdate().Take(&now, "user_id = ?", user).Error; err != nil {
			return err
		}
		if now.Hash != p.Hash { // changed meanwhile: who knows the old one is out
			return ErrVersion
		}
	}
	if in.Link != "" {
		link, err := c.redeem(in.Link, LinkSecondFactor, LinkUpstreamFactor)
		if err != nil {
			return err
		}
		if link.UserID == nil || *link.UserID != user {
			return ErrNotFound
		}
	}
	if in.Step != 0 {
		res := c.tx.Model(&TOTP{}).Where("user_id = ? and confirmed_at <> 0 and last_step < ?", user, in.Step).Update("last_step", in.Step)
		if err := is(res.RowsAffected, res.Error); err != nil {
			return err
		}
	}
	if in.Once != nil {
		if err := c.useUp(*in.Once); err != nil {
			return err
		}
	}
	if i := in.Identity; i != nil {
		res := c.tx.Model(&Identity{}).Where("id = ? and user_id = ?", i.ID, user).Update("last_used_at", c.now)
		if res.Error == nil && res.RowsAffected == 0 {
			return ErrNotFound
		}
		if res.Error != nil {
			return res.Error
		}
	}
	if p := in.Passkey; p != nil {
		// A count that does not rise means that the key was copied (WebAuthn section
		// 6.1.1); authenticators without a counter always say 0.
		res := c.tx.Model(&Passkey{}).Where("id = ? and user_id = ? and revoked_at = 0", p.ID, user).
			Where("sign_count < ? or (sign_count = 0 and ? = 0)", p.SignCount, p.SignCount).
			Updates(map[string]any{"sign_count": p.SignCount, "last_used_at": c.now, "record": p.Record})
		return is(res.RowsAffected, res.Error)
	}
	return nil
}

// LiveSession reads the session a secret belongs to. ErrNotFound if it ended, was
// not seen for idle seconds, or is of a user who is suspended, expired or removed.
func (s *Store) LiveSession(ctx context.Context, secret string, idle int64) (*Session, error) {
	var row Session
	now := s.Now()
	err := s.read.WithContext(ctx).Where("id = ? and revoked_at = 0 and expires_at > ? and last_seen_at > ?", opens(SessionPrefix, PrefixSession, secret), now, now-idle).
		Where("exists (select 1 from users where users.id = sessions.user_id and users.status = ? and users.expires_at > ?)", StatusActive, now).
		Take(&row).Error
	if err == nil && subtle.ConstantTimeCompare(row.SecretHash, HashSecret(secret)) != 1 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, wrap("getSession", absent(err))
	}
	return &row, nil
}

// LiveSessions are those of a user that did not end and were seen within idle
// seconds, oldest first; no more than 200.
func (s *Store) LiveSessions(ctx context.Context, userID string, idle int64) ([]Session, error) {
	var rows []Session
	now := s.Now()
	err := s.read.WithContext(ctx).Where("user_id = ? and revoked_at = 0 and expires_at > ? and last_seen_at > ?", userID, now, now-idle).
		Order("id").Limit(200).Find(&rows).Error
	return rows, wrap("listSessions", err)
}

// Sessions lists a user's sessions, ended ones too, oldest first.
func (s *Store) Sessions(ctx context.Context, userID string, p Page) ([]Session, string, error) {
	q := s.read.WithContext(ctx).Where("user_id = ?", userID)
	return list(q, "listSessions", "id", p, func(r Session) string { return r.ID })
}

// ActionSignOut is what the ledger calls it when somebody signs out.
const ActionSignOut = "signOut"

// SignOut ends the session of a user who signs out. Ending it twice is no error.
func (s *Store) SignOut(ctx context.Context, by By, userID, id string) error {
	return s.endOneSession(ctx, by, ActionSignOut, userID, id)
}

// RevokeSession ends a session of a user at once. Ending it twice is no error.
func (s *Store) RevokeSession(ctx context.Context, by By, userID, id string) error {
	return s.endOneSession(ctx, by, "revokeSession", userID, id)
}

func (s *Store) endOneSession(ctx context.Context, by By, action, userID, id string) error {
	return s.change(ctx, by, action, func(c *change) error {
		var row Session
		// SECURITY: only the user's own.
		if err := c.forUpdate().First(&row, "id = ? and user_id = ?", id, userID).Error; err != nil {
			return err
		}
		return c.endSession(&row)
	})
}

// RevokeSessions ends every session of a user but keep.
func (s *Store) RevokeSessions(ctx context.Context, by By, userID, keep string) error {
	return s.change(ctx, by, "revokeSessions", func(c *change) error { return c.endSessions(userID, keep) })
}

func (c *change) endSessions(userID, keep string) error {
	var rows []Session
	err := c.forUpdate().Where("user_id = ? and id <> ? and revoked_at = 0 and expires_at > ?", userID, keep, c.now).Order("id").Find(&rows).Error
	for i := 0; err == nil && i < len(rows); i++ {
		err = c.endSession(&rows[i])
	}
	return err
}

// replaceSession ends the session that another one of the same browser follows.
// It may be gone.
func (c *change) replaceSession(id string) error {
	var rows []Session
	if err := c.forUpdate().Where("id = ?", id).Find(&rows).Error; err != nil || len(rows) == 0 {
		return err
	}
	return c.endSession(&rows[0])
}

func (c *change) endSession(row *Session) error {
	if row.RevokedAt != 0 {
		return nil
	}
	before := *row
	row.RevokedAt = c.now
	if err := c.tx.Model(row).Update("revoked_at", c.now).Error; err != nil {
		return err
	}
	c.touch("session", row.ID)
	if err := c.noticeOfEnd(row); err != nil {
		return err
	}
	return c.record(row.ID, before, row)
}

// MarkSeen notes when sessions were last seen (id -> unix seconds). It is
// bookkeeping, not a change.
func (s *Store) MarkSeen(ctx context.Context, seen map[string]int64) error {
	return wrap("mark seen", s.mark(ctx, &Session{}, "last_seen_at", seen))
}

// PurgeAccounts forgets sessions and links that ended before a moment. The
// ledger still knows them.
func (s *Store) PurgeAccounts(ctx context.Context, moment int64) error {
	db := s.write.WithContext(ctx)
	if err := db.Where("expires_at < ?", moment).Delete(&Session{}).Error; err != nil {
		return wrap("purge sessions", err)
	}
	return wrap("purge links", db.Where("expires_at < ?", moment).Delete(&Link{}).Error)
}
