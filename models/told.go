package models

// Telling is who is told of a new approval, and by what.
type Telling struct {
	Channels []string // by which its user is told
	// Seal makes what its client is told with, once the approval has its id and its
	// secret; nil: the client is not told, it asks.
	Seal func(a *Approval, secret string) []byte
}

// How long after its end a client is still told of it by push, in seconds: what
// became of it is worth knowing then, too.
const pushGrace = 600

// tellAsked has the user of an approval told, and its client, once it is over, if
// nobody answers (CIBA section 12).
func (c *change) tellAsked(a *Approval, channels []string) error {
	if a.SubjectID == "" {
		return nil
	}
	for _, channel := range channels {
		err := c.notice(Notice{Kind: NoticeWord, Channel: channel, Ref: a.ID, ClientID: a.ClientID, SubjectID: a.SubjectID, EndsAt: a.ExpiresAt})
		if err != nil {
			return err
		}
	}
	if a.Delivery != DeliveryPush {
		return nil
	}
	return c.notice(Notice{Kind: NoticePush, Ref: a.ID, ClientID: a.ClientID, SubjectID: a.SubjectID, NextAt: a.ExpiresAt, EndsAt: a.ExpiresAt + pushGrace})
}

// tellAnswered has the client of an approval told, unless it asks. Word to its user is
// worth nothing any more.
func (c *change) tellAnswered(a *Approval) error {
	if err := c.tx.Where("ref = ? and kind = ?", a.ID, NoticeWord).Delete(&Notice{}).Error; err != nil {
		return err
	}
	switch a.Delivery {
	case DeliveryPing:
		return c.notice(Notice{Kind: NoticePing, Ref: a.ID, ClientID: a.ClientID, SubjectID: a.SubjectID, EndsAt: a.redeemable()})
	case DeliveryPush:
		return c.tx.Model(&Notice{}).Where("ref = ? and kind = ?", a.ID, NoticePush).Update("next_at", c.now).Error
	}
	return nil
}

// redeemable is until when the client can have what was answered.
func (a *Approval) redeemable() int64 { return max(a.ExpiresAt, a.AnsweredAt+CodeLife) }

// Told is what a record leaves in a notice: what its receiver gets, however often it
// must be sent. A token that was issued to be pushed is pushed or lost.
type Told struct {
	Notice  string // id
	Payload []byte // sealed
}

// leave writes it. That the notice is still there is held to: nothing is issued for
// one that somebody has settled meanwhile.
func (t *Told) leave(u unit) (bool, error) {
	n, err := u.count(leaving[u.dialect()], t.Payload, t.Notice)
	return n == 1, err
}

var leaving = map[string]string{
	"sqlite":   "update outbox set payload = ? where id = ?",
	"postgres": "update outbox set payload = $1 where id = $2",
}

// toldOnes leaves what records leave in notices. Those whose notice is gone are refused
// with ErrStale: there is nobody to tell any more.
func toldOnes(u unit, batch []*pending, refused map[*pending]error) error {
	for _, p := range batch {
		if p.record.Told == nil || refused[p] != nil {
			continue
		}
		there, err := p.record.Told.leave(u)
		if err != nil {
			return err
		}
		if !there {
			refused[p] = ErrStale
		}
	}
	return nil
}
