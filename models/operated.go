package models

import (
	"context"

	"github.com/deputyauth/deputy/policies"
)

// OperatedBy are the facts of the resource servers that a client operates. Which they
// are is read anew each time.
func (v *View) OperatedBy(ctx context.Context, clientID string) ([]*policies.Fact[policies.Resource], error) {
	var ids []string
	err := v.store.read.WithContext(ctx).Model(&ResourceServer{}).Where("operator_id = ?", clientID).Order("id").Pluck("id", &ids).Error
	if err != nil {
		return nil, wrap("load operated", err)
	}
	out := make([]*policies.Fact[policies.Resource], 0, len(ids))
	for _, id := range ids {
		r, err := v.Resource(ctx, id)
		if err != nil {
			return nil, err
		}
		if r != nil { // it may have gone meanwhile
			out = append(out, r)
		}
	}
	return out, nil
}
