package models

import (
	"cmp"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/deputyauth/deputy/policies"
)

// Statuses of clients, users and resource servers. "Expired" is not among them:
// policy reads it off expires_at, so that it needs nobody to notice.
const (
	StatusActive         = "active"
	StatusSuspended      = "suspended"
	StatusDecommissioned = "decommissioned" // for good
)

// Never is the expiry of what does not expire.
const Never = policies.Never

// Meta is what every administered row carries.
type Meta struct {
	ID        string `gorm:"primaryKey" json:"id"`
	Version   int64  `json:"version"` // raised by every change; the ETag
	CreatedAt int64  `gorm:"autoCreateTime:false" json:"created_at"`
	UpdatedAt int64  `gorm:"autoUpdateTime:false" json:"updated_at"`
}

func (m *Meta) identity() string { return m.ID }
func (m *Meta) meta() *Meta      { return m }
func (m *Meta) refers() string   { return "" }
func (m *Meta) stamp(now int64) {
	m.Version++
	m.UpdatedAt = now
	if m.CreatedAt == 0 {
		m.CreatedAt = now
	}
}

// newMeta begins a row, whatever the caller left in its place.
func newMeta(prefix string) Meta { return Meta{ID: NewID(prefix)} }

// Labels are free key-value pairs for house policy and filters.
type Labels map[string]string

var (
	handlePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,127}$`)
	labelPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)
	// scope-token of RFC 6749 section 3.3: printable ASCII without space, quote and backslash.
	scopePattern = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,128}$`)
)

func checkHandle(field, v string) error {
	if !handlePattern.MatchString(v) {
		return invalid(field, "must be 1 to 128 of a-z 0-9 . _ @ + -, beginning with a letter or digit")
	}
	return nil
}

func checkText(field, v string, max int) error {
	if !utf8.ValidString(v) || utf8.RuneCountInString(v) > max {
		return invalid(field, "must be text of at most %d characters", max)
	}
	for _, r := range v {
		if r < ' ' && r != '\n' && r != '\t' {
			return invalid(field, "must not hold control characters")
		}
	}
	return nil
}

func checkLabels(l Labels) error {
	if len(l) > 64 {
		return invalid("labels", "at most 64")
	}
	for k, v := range l {
		if !labelPattern.MatchString(k) {
			return invalid("labels", "key %q must be 1 to 63 of A-Z a-z 0-9 . _ / -", k)
		}
		if err := checkText("labels."+k, v, 256); err != nil {
			return err
		}
	}
	return nil
}

func checkStatus(v string, allowed ...string) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return invalid("status", "must be one of %v", allowed)
}

func checkEmail(v string) error {
	if v == "" {
		return nil
	}
	if a, err := mail.ParseAddress(v); err != nil || a.Address != v || len(v) > 254 {
		return invalid("email", "is not an e-mail address")
	}
	return nil
}

func checkExpiry(v int64) error {
	if v <= 0 || v > Never {
		return invalid("expires_at", "must be a time before the year 10000")
	}
	return nil
}

// CheckScope holds a scope name to RFC 6749 section 3.3.
func CheckScope(field, v string) error {
	if !scopePattern.MatchString(v) {
		return invalid(field, "must be 1 to 128 printable ASCII characters without space, quote and backslash")
	}
	if strings.HasPrefix(v, "dpt_") || strings.HasPrefix(v, SecretPrefix) { // a client that asked for it would be refused
		return invalid(field, "must not begin as a secret does")
	}
	return nil
}

// ScopeRef names a scope: always a pair, because the same name at another
// resource server is another scope.
type ScopeRef struct {
	ResourceID string `json:"resource_server_id"`
	Name       string `json:"scope"`
}

// distinct sorts references and drops what is there twice.
func distinct(refs []ScopeRef) []ScopeRef {
	out := append([]ScopeRef{}, refs...)
	slices.SortFunc(out, func(a, b ScopeRef) int {
		return cmp.Or(cmp.Compare(a.ResourceID, b.ResourceID), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}
