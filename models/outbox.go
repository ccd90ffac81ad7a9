package models

import "context"

// Notice is what a client is yet to be told: that a session ended in which a user
// had signed in to it (OpenID Connect Back-Channel Logout).
type Notice struct {
	ID        string `gorm:"primaryKey" json:"id"`
	ClientID  string `json:"client_id"`
	SubjectID string `json:"subject_id"`
	SessionID string `json:"session_id"`
	URL       string `gorm:"column:url" json:"url"`
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"-"`
	NextAt    int64  `json:"-"`
	Tries     int64  `json:"tries"`
}

// TableName is where notices wait.
func (Notice) TableName() string { return "outbox" }

// Bounds of sending a notice, in seconds: how long it is tried for at all, how long
// one attempt may take before another replica makes the next, and how far apart
// attempts get.
const (
	noticeLife  = 24 * 3600
	noticeClaim = 60
	noticePause = 3600
)

// noticeOfEnd has every client told that an ID token of the session went to, or may
// still go to, and that wants to know.
func (c *change) noticeOfEnd(row *Session) error {
	var codes []Code
	err := c.tx.Where("session_id = ? and (used_at <> 0 or expires_at > ?)", row.ID, c.now).
		Where("client_id in (select id from clients where backchannel_logout_uri <> '')").Order("client_id").Find(&codes).Error
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, code := range codes {
		if told[code.ClientID] || code.Scopes[OpenIDID] == nil {
			continue
		}
		told[code.ClientID] = true
		var client Client
		if err := c.tx.First(&client, "id = ?", code.ClientID).Error; err != nil {
			return err
		}
		err := c.tx.Create(&Notice{
			ID: NewID(PrefixNotice), ClientID: client.ID, SubjectID: row.UserID, SessionID: row.ID, URL: client.BackchannelURI, CreatedAt: c.now, NextAt: c.now,
		}).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// DueNotices takes up to n notices whose time has come. Whoever takes one has a minute
// to send it and say how that went; then another may.
func (s *Store) DueNotices(ctx context.Context, n int) ([]Notice, error) {
	var rows, mine []Notice
	now := s.Now()
	if err := s.read.WithContext(ctx).Where("next_at <= ?", now).Order("next_at").Limit(n).Find(&rows).Error; err != nil {
		return nil, wrap("read outbox", err)
	}
	for _, row := range rows {
		res := s.write.WithContext(ctx).Model(&Notice{}).Where("id = ? and next_at = ?", row.ID, row.NextAt).
			Updates(map[string]any{"next_at": now + noticeClaim, "tries": row.Tries + 1})
		if res.Error != nil {
			return mine, wrap("take from outbox", res.Error)
		}
		if res.RowsAffected == 1 {
			row.NextAt, row.Tries = now+noticeClaim, row.Tries+1
			mine = append(mine, row)
		}
	}
	return mine, nil
}

// NoticeSent notes that a client was told.
func (s *Store) NoticeSent(ctx context.Context, n Notice) error {
	return s.settleNotice(ctx, n, "tellLogout", map[string]any{"notice": n})
}

// NoticeFailed notes that it could not be told: it is tried again, ever more seldom,
// for a day.
func (s *Store) NoticeFailed(ctx context.Context, n Notice, why string) error {
	now := s.Now()
	if now-n.CreatedAt >= noticeLife {
		return s.settleNotice(ctx, n, "giveUpLogout", map[string]any{"notice": n, "error": why})
	}
	pause := min(int64(5)<<min(n.Tries, 20), noticePause)
	res := s.write.WithContext(ctx).Model(&Notice{}).Where("id = ? and next_at = ?", n.ID, n.NextAt).Update("next_at", now+pause)
	return wrap("put back into outbox", res.Error)
}

// settleNotice takes it out of the outbox; the ledger says how it ended.
func (s *Store) settleNotice(ctx context.Context, n Notice, action string, after any) error {
	return s.change(ctx, By{System: "outbox", SubjectID: n.SubjectID}, action, func(c *change) error {
		res := c.tx.Where("id = ?", n.ID).Delete(&Notice{})
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		return c.record(n.ClientID, nil, after)
	})
}
