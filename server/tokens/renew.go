package tokens

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
)

// ErrMasterKeyChanges: no key is made by itself while there may be a server that could not
// open it.
var ErrMasterKeyChanges = errors.New("no key is made while the master key is being changed: DEPUTY_MASTER_KEY_PREVIOUS is set")

// Renew is Rotate if the last key will, when the next one takes over, have signed for
// every seconds: due is when. It is nil if that is not so yet, or if somebody else made
// the next one first.
func (k *Keyring) Renew(ctx context.Context, by models.By, lead, every int64) (next *models.SigningKey, due int64, err error) {
	if err := k.Reload(ctx); err != nil { // of what others did; and nothing is made under a master key that is no longer the one
		return nil, 0, err
	}
	last := k.last()
	if last == nil {
		return nil, 0, errNoKey
	}
	if due = last.ActiveAt + every - lead; k.now().Unix() < due {
		return nil, due, nil
	}
	if k.master.previous != nil {
		return nil, due, ErrMasterKeyChanges
	}
	if next, err = k.newTokenKey(lead); err != nil {
		return nil, due, err
	}
	added, err := k.store.SucceedSigningKey(ctx, by, next, Overlap, last.ID)
	if err != nil || !added {
		return nil, due, err
	}
	return next, due, k.Reload(ctx)
}

// RenewLedger is RotateLedger if the ledger's key has signed for every seconds, in the
// manner of Renew.
func (k *Keyring) RenewLedger(ctx context.Context, by models.By, every int64) (next *models.SigningKey, due int64, err error) {
	if err := k.Reload(ctx); err != nil {
		return nil, 0, err
	}
	keys, err := k.store.LedgerKeys(ctx)
	if err != nil || len(keys) == 0 {
		return nil, 0, err
	}
	last := keys[len(keys)-1]
	if due = last.ActiveAt + every; k.now().Unix() < due {
		return nil, due, nil
	}
	if k.master.previous != nil {
		return nil, due, ErrMasterKeyChanges
	}
	if next, err = k.newLedgerKey(); err != nil {
		return nil, due, err
	}
	added, err := k.store.SucceedSigningKey(ctx, by, next, Overlap, last.ID)
	if err != nil || !added {
		return nil, due, err
	}
	return next, due, k.handOver(ctx)
}

// last is the key that none takes over from yet.
func (k *Keyring) last() *key {
	for _, one := range k.ring.Load().keys {
		if one.RetiresAt == models.Never {
			return one
		}
	}
	return nil
}
