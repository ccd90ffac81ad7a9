package tokens

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
)

// Rewrap seals everything in the database anew under a master key that takes the place
// of another, in one transaction, and tells how much that was. ErrMasterKey, and nothing is
// changed, if something was sealed under neither. Done once more it does no harm: that is
// how what others sealed under the old key meanwhile is brought along.
func Rewrap(ctx context.Context, store *models.Store, by models.By, master MasterKey) (int, error) {
	rows, err := store.SigningKeys(ctx)
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 {
		return 0, errors.New("nothing is sealed yet")
	}
	if _, err := master.Open(rows[0].ID, rows[0].Sealed); err != nil {
		return 0, err // before anything is added that hangs from the key
	}
	if _, err := store.DerivationKey(ctx, func(id string) []byte { return master.Seal(id, master.derivation(rows[0])) }); err != nil {
		return 0, err
	}
	return store.Reseal(ctx, by, func(name string, sealed []byte) ([]byte, error) {
		plain, err := master.Open(name, sealed)
		if err != nil {
			return nil, err
		}
		return master.Seal(name, plain), nil
	})
}
