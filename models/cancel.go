package models

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

// stopped is cancelApprovals, if the status stops anybody.
func (c *change) stopped(id, status string) error {
	if status == StatusActive {
		return nil
	}
	return c.cancelApprovals(id)
}

// bindPending binds what pendingOf names.
func bindPending(id string, now int64) map[string]any {
	bound := map[string]any{"now": now, "client": id, "user": ""}
	if HasPrefix(id, PrefixUser) {
		bound["client"], bound["user"] = "", id
	}
	return bound
}
