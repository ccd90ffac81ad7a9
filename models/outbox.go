package models

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// Kinds of notices.
const (
	NoticeLogout = "logout" // to a client: a session ended (OpenID Connect Back-Channel Logout)
	NoticeWord   = "word"   // to a person: they are asked something
	NoticePing   = "ping"   // to a client: a person answered (CIBA section 10.2)
	NoticePush   = "push"   // to a client: and this is what came of it (CIBA section 10.3)

	NoticeReminder = "reminder" // to who answers for a client: it, or its last credential, ends
	NoticeLeak     = "leak"     // and to whom it concerns: a secret was found in the open, and is dead
	NoticeAnswer   = "answer"   // to whom it concerns: somebody accepted or declined to answer for a client
)

// Notice is what somebody is yet to be told. It is written with what it tells of, in
// one transaction, and sent later, until it was taken or is worth nothing any more.
type Notice struct {
	ID        string `gorm:"primaryKey" json:"id"`
	Kind      string `json:"kind"`
	Channel   string `json:"channel,omitempty"` // by which a person is reached
	Ref       string `json:"ref,omitempty"`     // what it is about: an approval, or what ends
	ClientID  string `json:"client_id"`         // "": it is of no client
	SubjectID string `json:"subject_id"`
	SessionID string `json:"session_id,omitempty"` // that ended
	URL       string `gorm:"column:url" json:"url,omitempty"`
	Payload   []byte `json:"-"` // sealed; nil: there is none
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"-"`
	NextAt    int64  `json:"-"`
	EndsAt    int64  `json:"-"` // worth nothing from then on; 0: a day after it was made
	Tries     int64  `json:"tries"`
	ToldAs    string `json:"told_as,omitempty"` // as what somebody is told
}

// TableName is where notices wait.
func (Notice) TableName() string { return "outbox" }

// end is when it is worth nothing any more.
func (n *Notice) end() int64 {
	if n.EndsAt == 0 {
		return n.CreatedAt + noticeLife
	}
	return n.EndsAt
}

// Bounds of sending a notice, in seconds: how long it is tried for if it does not say,
// and how long one attempt may take before another replica makes the next.
const (
	noticeLife  = 24 * 3600
	noticeClaim = 60
)

// pauses say how far apart attempts get, in seconds: from the first pause, ever twice
// as long, to the longest. Who waits for an answer is told soon, or not in time.
var pauses = map[string]struct{ first, longest int64 }{
	NoticeLogout: {5, 3600}, NoticeWord: {5, 60}, NoticePing: {1, 30}, NoticePush: {1, 30},
	NoticeReminder: {60, 3600}, NoticeLeak: {5, 3600}, NoticeAnswer: {5, 3600},
}

// notice puts one into the outbox.
func (c *change) notice(n Notice) error {
	n.ID, n.CreatedAt = NewID(PrefixNotice), c.now
	if n.NextAt == 0 {
		n.NextAt = c.now
	}
	return c.tx.Create(&n).Error
}

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
		err := c.notice(Notice{Kind: NoticeLogout, ClientID: client.ID, SubjectID: row.UserID, SessionID: row.ID, URL: client.BackchannelURI})
		if err != nil {
			return err
		}
	}
	return nil
}

// knownNotices are the kinds that this release can tell, in order.
func knownNotices() []string { return slices.Sorted(maps.Keys(pauses)) }

// UnknownNotices are the kinds of notices that are due and that this release does not
// know. A newer one beside it wrote them, and tells them: here they are left alone, and
// no attempt is counted.
func (s *Store) UnknownNotices(ctx context.Context) (kinds []string, err error) {
	err = s.read.WithContext(ctx).Model(&Notice{}).Where("next_at <= ? and kind not in ?", s.Now(), knownNotices()).
		Distinct("kind").Order("kind").Limit(10).Pluck("kind", &kinds).Error
	return kinds, wrap("read outbox", err)
}

// DueNotices takes up to n notices whose time has come, of the kinds that this release
// knows. Whoever takes one has a minute to send it and say how that went; then another may.
func (s *Store) DueNotices(ctx context.Context, n int) ([]Notice, error) {
	var rows, mine []Notice
	now := s.Now()
	if err := s.read.WithContext(ctx).Where("next_at <= ? and kind in ?", now, knownNotices()).Order("next_at").Limit(n).Find(&rows).Error; err != nil {
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

// Notice reads one that waits. ErrNotFound if it was settled.
func (s *Store) Notice(ctx context.Context, id string) (*Notice, error) {
	var n Notice
	if err := s.read.WithContext(ctx).Take(&n, "id = ?", id).Error; err != nil {
		return nil, wrap("read outbox", err)
	}
	return &n, nil
}

// NoticeSent notes that it was taken. It is never sent again.
func (s *Store) NoticeSent(ctx context.Context, n Notice) error {
	return s.settleNotice(ctx, n, "tell", map[string]any{"notice": n})
}

// NoticeFailed notes that it could not be told. Until it is worth nothing any more it
// is tried again, ever more seldom.
func (s *Store) NoticeFailed(ctx context.Context, n Notice, why string) error {
	now, p := s.Now(), pauses[n.Kind]
	next := now + min(p.first<<min(n.Tries, 20), p.longest)
	if now >= n.end() || n.EndsAt != 0 && next >= n.EndsAt {
		return s.NoticeGivenUp(ctx, n, why)
	}
	res := s.write.WithContext(ctx).Model(&Notice{}).Where("id = ? and next_at = ?", n.ID, n.NextAt).Update("next_at", next)
	return wrap("put back into outbox", res.Error)
}

// NoticeGivenUp notes that it will not be told.
func (s *Store) NoticeGivenUp(ctx context.Context, n Notice, why string) error {
	return s.settleNotice(ctx, n, "giveUp", map[string]any{"notice": n, "error": why})
}

// titles are the kinds as the ledger's actions name them.
var titles = map[string]string{
	NoticeLogout: "Logout", NoticeWord: "Word", NoticePing: "Ping", NoticePush: "Push",
	NoticeReminder: "Reminder", NoticeLeak: "Leak", NoticeAnswer: "Answer",
}

// settleNotice takes it out of the outbox; the ledger says how it ended, and never
// what was in it.
func (s *Store) settleNotice(ctx context.Context, n Notice, how string, after any) error {
	return s.change(ctx, By{System: "outbox", SubjectID: n.SubjectID}, how+titles[n.Kind], func(c *change) error {
		res := c.tx.Where("id = ?", n.ID).Delete(&Notice{})
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		if n.Kind == NoticePing || n.Kind == NoticePush { // its secrets have done their work
			if err := c.tx.Model(&Approval{}).Where("id = ?", n.Ref).Update("notification_token", nil).Error; err != nil {
				return err
			}
		}
		return c.record(cmp.Or(n.ClientID, n.Ref), nil, after)
	})
}
