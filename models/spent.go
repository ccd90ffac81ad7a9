package models

import "fmt"

// Spent is the code, refresh token or approval that a record uses up. It must be
// unused when the record is written; if it is not, the record is refused with ErrStale.
type Spent struct {
	Refresh  bool // it is a refresh token
	Approval bool // it is an approval of a machine, which Token was issued for
	Hash     string
	At       int64 // unix seconds
	Token    string
}

// statements look at it and use it up.
func (s *Spent) statements(dialect string) [2]string {
	what := "code"
	switch {
	case s.Refresh:
		what = "refresh"
	case s.Approval:
		what = "approval"
	}
	return spending[dialect][what]
}

// spentOnes finds the records that would use up what was used before, or is in the
// same batch. Whoever writes holds the ledger's head, so what is unused here stays
// so until it is spent.
func spentOnes(u unit, batch []*pending, refused map[*pending]error) error {
	seen := map[string]bool{}
	for _, p := range batch {
		s := p.record.Spent
		if s == nil || refused[p] != nil {
			continue
		}
		unused := false
		if !seen[s.Hash] {
			err := u.each(func(scan func(...any) error) error {
				var at int64
				err := scan(&at)
				unused = at == 0
				return err
			}, s.statements(u.dialect())[0], s.Hash)
			if err != nil {
				return err
			}
		}
		seen[s.Hash] = true
		if !unused {
			refused[p] = ErrStale
		}
	}
	return nil
}

// usedOnes uses up what may be used once. The insert itself is the test, so of
// any number of parallel attempts, on any replica, one succeeds.
func usedOnes(u unit, batch []*pending, refused map[*pending]error) error {
	for _, p := range batch {
		if p.record.Once == nil || refused[p] != nil {
			continue
		}
		once := p.record.Once
		fresh, err := usedTable.insertNew(u, once.Purpose, once.Value, once.ExpiresAt)
		if err != nil {
			return err
		}
		if !fresh {
			refused[p] = ErrUsed
		}
	}
	return nil
}

// succeed spends what records spend, and writes the refresh tokens that come after.
func succeed(u unit, batch []*pending, refused map[*pending]error) error {
	var next []*RefreshToken
	for _, p := range batch {
		if refused[p] != nil {
			continue
		}
		if p.record.Spent != nil {
			if err := p.record.Spent.spend(u); err != nil {
				return err
			}
		}
		if p.record.Refresh != nil {
			next = append(next, p.record.Refresh)
		}
	}
	return refreshTable.insert(u, len(next), func(i int) []any { return next[i].row() })
}

// spend uses it up. That a row was written is held to all the same: two tokens from
// one code are never worth a batch.
func (s *Spent) spend(u unit) error {
	with := []any{s.At, s.Hash}
	if s.Approval {
		with = []any{s.Token, s.At, s.Hash}
	}
	n, err := u.count(s.statements(u.dialect())[1], with...)
	if err == nil && n != 1 {
		err = fmt.Errorf("use up: %d rows", n)
	}
	return err
}

// spending are the statements that look at and use up, by dialect.
var spending = map[string]map[string][2]string{
	"sqlite": {
		"code":     {"select used_at from codes where hash = ?", "update codes set used_at = ? where hash = ? and used_at = 0"},
		"refresh":  {"select used_at from refresh_tokens where hash = ?", "update refresh_tokens set used_at = ? where hash = ? and used_at = 0"},
		"approval": {"select used_at from approvals where hash = ? and state = 'approved'", "update approvals set state = 'used', token_id = ?, used_at = ? where hash = ? and state = 'approved' and used_at = 0"},
	},
	"postgres": {
		"code":     {"select used_at from codes where hash = $1", "update codes set used_at = $1 where hash = $2 and used_at = 0"},
		"refresh":  {"select used_at from refresh_tokens where hash = $1", "update refresh_tokens set used_at = $1 where hash = $2 and used_at = 0"},
		"approval": {"select used_at from approvals where hash = $1 and state = 'approved'", "update approvals set state = 'used', token_id = $1, used_at = $2 where hash = $3 and state = 'approved' and used_at = 0"},
	},
}

func (t *RefreshToken) row() []any {
	return []any{t.Hash, t.GrantID, t.ClientID, t.Parent, t.CreatedAt, t.ExpiresAt, t.UsedAt}
}
