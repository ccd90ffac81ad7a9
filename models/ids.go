package models

import (
	"encoding/base32"
	"strings"

	"github.com/google/uuid"
)

// Prefixes of ids. An id says what it names, so a client can never be mistaken
// for a user, and none is ever reused.
const (
	PrefixAgent       = "agt"
	PrefixApplication = "app"
	PrefixUser        = "usr"
	PrefixGroup       = "grp"
	PrefixRole        = "rol"
	PrefixResource    = "rsv"
	PrefixCredential  = "crd"
	PrefixAssignment  = "asg"
	PrefixGrant       = "gnt"
	PrefixToken       = "tok"
	PrefixIDToken     = "idt"
	PrefixNotice      = "ntc"
	PrefixDecision    = "dec"
	PrefixChange      = "chg"
	PrefixKey         = "key"
	PrefixSession     = "ses"
	PrefixLink        = "lnk"
	PrefixVisit       = "atz"
	PrefixPasskey     = "psk"
	PrefixConsent     = "cns"
	PrefixApproval    = "apr"
	PrefixUpstream    = "ups"
	PrefixIdentity    = "idn"
	PrefixTransfer    = "trf"

	PrefixSubscription  = "wps"
	PrefixEventReceiver = "evr"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an id that sorts by the time it was made (UUIDv7), lower case, so
// that inserts stay at the end of an index.
func NewID(prefix string) string {
	u := uuid.Must(uuid.NewV7()) // fails only if the system has no randomness left
	return prefix + "_" + idEncoding.EncodeToString(u[:])
}

// HasPrefix reports whether id names the kind of thing prefix stands for.
func HasPrefix(id, prefix string) bool { return strings.HasPrefix(id, prefix+"_") }
