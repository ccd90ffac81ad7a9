package models

import (
	"context"
	"errors"
)

// CancelApproval ends an approval, in the client's place or the administrator's: what
// nobody has answered, what was allowed and is not carried out, or all that came of it.
// ErrUsed if nothing is left to end.
func (s *Store) CancelApproval(ctx context.Context, by By, id string) error {
	return s.change(ctx, by, "cancelApproval", func(c *change) error {
		var a Approval
		if err := c.forUpdate().First(&a, "id = ?", id).Error; err != nil {
			return err
		}
		switch state := a.Now(c.now); {
		case state == ApprovalPending:
			row, err := c.answerApproval(id, ApprovalCancelled, false)
			if err != nil {
				return err
			}
			return c.record(id, nil, row.told())
		case state == ApprovalUsed:
			return c.as("revokeToken", func() error { return c.revokeToken(a.TokenID) })
		case state == ApprovalApproved && a.GrantID != "":
			return c.as("revokeGrant", func() error { return c.revokeGrant(a.GrantID) })
		case state == ApprovalApproved:
			return c.recallApproval(&a)
		}
		return ErrUsed
	})
}

// recallApproval takes back what a person allowed a machine to get, which it has not got.
func (c *change) recallApproval(a *Approval) error {
	a.State = ApprovalCancelled
	a.touches(c)
	if err := c.tx.Model(a).Update("state", a.State).Error; err != nil {
		return err
	}
	return c.record(a.ID, nil, a.told())
}

// pendingOf finds what waits for an answer that a client asked, or that was asked of
// a user or by a client they answer for.
const pendingOf = `state = 'pending' and expires_at > @now and (client_id = @client
	or (subject_id = @user and @user <> '') or client_id in (select id from clients where owner_id = @user))`

// cancelApprovals ends what nobody has answered yet of a client or a user that is
// stopped: when they come back, nobody is to find questions of before.
func (c *change) cancelApprovals(id string) error {
	var rows []Approval
	if err := c.forUpdate().Where(pendingOf, bindPending(id, c.now)).Order("id").Find(&rows).Error; err != nil {
		return err
	}
	return c.as("cancelApproval", func() error {
		for _, a := range rows {
			row, err := c.answerApproval(a.ID, ApprovalCancelled, false)
			if err != nil {
				return err
			}
			if err := c.record(row.ID, nil, row.told()); err != nil {
				return err
			}
		}
		return nil
	})
}

// stopped ends what waits for the answer of whom the status stops, or hangs from them.
func (c *change) stopped(id, status string) error {
	if status == StatusActive {
		return nil
	}
	return errors.Join(c.cancelApprovals(id), c.endTransfersOf(id))
}

// bindPending binds what pendingOf names.
func bindPending(id string, now int64) map[string]any {
	bound := map[string]any{"now": now, "client": id, "user": ""}
	if HasPrefix(id, PrefixUser) {
		bound["client"], bound["user"] = "", id
	}
	return bound
}
