package models

import (
	"context"
	"errors"
	"strings"
)

// owners finds whose something is, by the prefix of its id.
var owners = map[string]string{
	PrefixSession: "select user_id from sessions where id = ?",
	PrefixPasskey: "select user_id from passkeys where id = ?",
	PrefixConsent: "select subject_id from consents where id = ?",

	PrefixIdentity: "select user_id from identities where id = ?",

	PrefixSubscription: "select user_id from subscriptions where id = ?",
}

// OwnerOf is the user whose account something is part of, "" if there is no such
// thing. A client is part of asker's if they ever agreed to anything it does.
// Whose something is never changes.
func (s *Store) OwnerOf(ctx context.Context, asker, id string) (string, error) {
	prefix, _, _ := strings.Cut(id, "_")
	query, args := owners[prefix], []any{id}
	if prefix == PrefixAgent || prefix == PrefixApplication {
		query, args = "select subject_id from consents where client_id = ? and subject_id = ? limit 1", []any{id, asker}
	}
	if query == "" {
		return "", nil
	}
	var owner string
	err := absent(s.read.WithContext(ctx).Raw(query, args...).Scan(&owner).Error)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return owner, wrap("owner", err)
}

// InSession tells whether a session has not ended.
func (s *Store) InSession(ctx context.Context, id string) (bool, error) {
	var n int64
	err := s.read.WithContext(ctx).Model(&Session{}).Where("id = ? and revoked_at = 0 and expires_at > ?", id, s.Now()).Count(&n).Error
	return n == 1, wrap("session", err)
}
