package models

import (
	"context"
	"strings"
)

// RevokeLeaked ends what a secret opens that was found where it should not be: the
// client's secret, or all that a person granted with a code or refresh token. Whoever
// knows a secret could use it, so nobody needs a right to end it. It returns the id of
// what ended; ErrNotFound if the secret opens nothing, or nothing any more.
func (s *Store) RevokeLeaked(ctx context.Context, by By, secret string) (ended string, err error) {
	switch {
	case strings.HasPrefix(secret, SecretPrefix):
		return s.revokeLeakedCredential(ctx, by, secret)
	case strings.HasPrefix(secret, CodePrefix), strings.HasPrefix(secret, RefreshPrefix):
		return s.revokeLeakedGrant(ctx, by, secret)
	}
	return "", ErrNotFound
}

func (s *Store) revokeLeakedCredential(ctx context.Context, by By, secret string) (string, error) {
	var c Credential
	err := s.read.WithContext(ctx).Take(&c, "secret_hash = ? and revoked_at = 0 and expires_at > ?", HashSecret(secret), s.Now()).Error
	if err != nil {
		return "", wrap("find leaked credential", err)
	}
	return c.ID, s.RevokeCredential(ctx, by, c.ClientID, c.ID)
}

func (s *Store) revokeLeakedGrant(ctx context.Context, by By, secret string) (string, error) {
	view, err := s.View(ctx)
	if err != nil {
		return "", err
	}
	find := view.ByCode
	if strings.HasPrefix(secret, RefreshPrefix) {
		find = view.ByRefreshToken
	}
	found, err := find(ctx, secret)
	if err != nil {
		return "", err
	}
	if found == nil || found.Grant.RevokedAt != 0 || found.Grant.ExpiresAt <= s.Now() {
		return "", ErrNotFound
	}
	return found.Grant.ID, s.RevokeGrant(ctx, by, found.Grant.ID)
}

// RevokeLeakedToken does so with an access token.
func (s *Store) RevokeLeakedToken(ctx context.Context, by By, id string) error {
	t, err := s.Token(ctx, id)
	switch {
	case err != nil:
		return err
	case t.RevokedAt != 0 || t.ExpiresAt <= s.Now():
		return ErrNotFound
	}
	return s.RevokeToken(ctx, by, id)
}
