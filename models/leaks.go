package models

import (
	"context"
	"errors"
)

// CredentialOf is the client's credential that a secret is, nil if it is none. It reads
// past the cache: a secret that somebody found names no client.
func (v *View) CredentialOf(ctx context.Context, secret string) (*Credential, error) {
	var c Credential
	err := v.store.read.WithContext(ctx).Take(&c, "secret_hash = ?", HashSecret(secret)).Error
	if err = wrap("find credential", err); errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v.Deps = append(v.Deps, key("credentials", c.ClientID))
	return &c, nil
}
