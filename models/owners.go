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

	PrefixTransfer: "select coalesce(to_id, '') from transfers where id = ?",
}

// answering finds who answers for something, or, of a transfer, which owner offered it.
var answering = map[string]string{
	PrefixAgent:       "select coalesce(owner_id, '') from clients where id = ?",
	PrefixApplication: "select coalesce(owner_id, '') from clients where id = ?",
	PrefixTransfer:    "select offered_by from transfers where id = ? and named <> ''",
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

// Answering is the user who answers for a client, or who offered a transfer because they
// do, "" if there is none. What is decided next hangs from it.
func (v *View) Answering(ctx context.Context, id string) (string, error) {
	prefix, _, _ := strings.Cut(id, "_")
	query := answering[prefix]
	if query == "" {
		return "", nil
	}
	v.Deps = append(v.Deps, key("client", id)) // who offered a transfer never changes
	var owner string
	err := absent(v.store.read.WithContext(ctx).Raw(query, id).Scan(&owner).Error)
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
