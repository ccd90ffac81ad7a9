package grants

import (
	"context"
	"fmt"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// RotateOwn is the operation by which a client makes the successor of its own secret.
const RotateOwn = "rotateOwnCredential"

// Renew asks policy about a client that makes the successor of its own secret: whether
// it may, with this overlap, and for how many seconds the new one lives.
func (e *Endpoint) Renew(ctx context.Context, call Call, bearer string, renewal policies.Renewal) (by models.By, life int64, err error) {
	by, d, err := e.admit(ctx, call, bearer, RotateOwn, policies.Request{Resources: []string{}, Scopes: []string{}, Renewal: &renewal})
	by.Again = func(ctx context.Context) (models.By, error) {
		again, now, err := e.Renew(ctx, call, bearer, renewal)
		if err == nil && now != d.TTL { // what is being made lives as long as was said before
			err = unavailable(models.ErrStale)
		}
		return again, err
	}
	return by, d.TTL, err
}

// beltRenewal: a secret lives no longer than the one that it takes the place of was
// meant to.
func beltRenewal(in policies.Input, d policies.Decision) error {
	if r := in.Request.Renewal; r != nil && (d.TTL < 1 || d.TTL > r.Life) {
		return fmt.Errorf("a secret for %d seconds after one for %d", d.TTL, r.Life)
	}
	return nil
}
