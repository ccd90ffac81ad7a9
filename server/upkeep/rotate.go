package upkeep

import (
	"context"
	"errors"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/tokens"
)

// rotate makes the next signing key if the one that signs has done so for long enough.
// Another replica, or somebody, may have made one by then; a key that does not sign yet
// counts. While the master key is being changed nothing is made that some replica could
// not open: that is told once it takes very long.
func (u *Upkeep) rotate(ctx context.Context) (*told, error) {
	next, due, err := u.Keys.Renew(ctx, models.By{System: "upkeep"}, lead, int64(u.RotateEvery/time.Second))
	if errors.Is(err, tokens.ErrMasterKeyChanges) && u.Now().Unix()-due < late {
		return nil, nil
	}
	if err != nil || next == nil {
		return nil, err
	}
	return &told{"the next signing key was made", []any{"kid", next.ID, "signs_from", time.Unix(next.ActiveAt, 0).UTC().Format(time.RFC3339)}}, nil
}

// rotateLedger makes the next key of the ledger likewise. The log has it whole: it is what
// heads are verified with elsewhere.
func (u *Upkeep) rotateLedger(ctx context.Context) (*told, error) {
	next, due, err := u.Keys.RenewLedger(ctx, models.By{System: "upkeep"}, int64(u.RotateLedgerEvery/time.Second))
	if errors.Is(err, tokens.ErrMasterKeyChanges) && u.Now().Unix()-due < late {
		return nil, nil
	}
	if err != nil || next == nil {
		return nil, err
	}
	return &told{"the next key of the ledger was made", []any{"kid", next.ID, "verifier", next.PublicJWK}}, nil
}
