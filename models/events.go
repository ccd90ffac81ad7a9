package models

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Types of events.
const (
	EventTokenRevoked       = "token-revoked"
	EventGrantRevoked       = "grant-revoked"
	EventClientSuspended    = "client-suspended"
	EventClientRestored     = "client-restored"
	EventClientExpired      = "client-expired"
	EventClientRemoved      = "client-removed"
	EventUserSuspended      = "user-suspended"
	EventUserRestored       = "user-restored"
	EventUserExpired        = "user-expired"
	EventUserRemoved        = "user-removed"
	EventResourceSuspended  = "resource-server-suspended"
	EventResourceRestored   = "resource-server-restored"
	EventResourceRemoved    = "resource-server-removed"
	EventResourceChanged    = "resource-server-changed"
	EventConsentGiven       = "consent-given"
	EventConsentChanged     = "consent-changed"
	EventConsentNarrowed    = "consent-narrowed"
	EventConsentRevoked     = "consent-revoked"
	EventCredentialCreated  = "credential-created"
	EventCredentialChanged  = "credential-changed"
	EventCredentialRevoked  = "credential-revoked"
	EventSessionRevoked     = "session-revoked"
	EventClientAccess       = "client-access-changed"
	EventUserAccess         = "user-access-changed"
	EventGroupAccess        = "group-access-changed"
	EventRoleAccess         = "role-access-changed"
	EventKeyCreated         = "key-created"
	EventKeyRetired         = "key-retired"
	EventPolicyChanged      = "policy-changed"
	EventReset              = "reset" // what came before cannot be told any more
	longestObject, checkLen = 64, 8
)

// caep are the types as the Continuous Access Evaluation Profile of Shared Signals
// names them, where it has a name that fits.
var caep = map[string]string{
	EventTokenRevoked: "session-revoked", EventGrantRevoked: "session-revoked", EventConsentRevoked: "session-revoked",
	EventClientSuspended: "session-revoked", EventClientExpired: "session-revoked", EventClientRemoved: "session-revoked",
	EventUserSuspended: "session-revoked", EventUserExpired: "session-revoked", EventUserRemoved: "session-revoked",
	EventSessionRevoked: "session-revoked", EventClientAccess: "token-claims-change", EventUserAccess: "token-claims-change",
	EventConsentNarrowed: "token-claims-change", EventConsentChanged: "token-claims-change",
	EventCredentialCreated: "credential-change", EventCredentialChanged: "credential-change", EventCredentialRevoked: "credential-change",
}

// CAEP is the type of an event as CAEP 1.0 names it, "" if it has no name for it.
func CAEP(kind string) string {
	if name := caep[kind]; name != "" {
		return "https://schemas.openid.net/secevent/caep/event-type/" + name
	}
	return ""
}

// Event is one thing that ended or changed, read off the ledger. It holds ids, and
// nothing else of anybody.
type Event struct {
	Position Position
	Type     string
	At       int64 // unix milliseconds

	// What it is about, as far as that applies.
	ClientID, SubjectID, GrantID, TokenID, Txn, ConsentID, CredentialID, KeyID string
	RoleID, GroupID, SessionID                                                 string
	ResourceID                                                                 string // of a resource server that itself changed
	Revision                                                                   string // of the policy that serves

	Concerns  []Concerned // resource servers whom it concerns, sorted
	Everybody bool        // it concerns all there are
}

// Concerned is a resource server whom an event concerns.
type Concerned struct{ ID, Identifier string }

// Position is a place in the feed: all that the ledger's entries before Seq have to
// tell, and of that entry what is about objects up to Object; all of it, if that is "".
type Position struct {
	Seq    int64
	Check  string // tells the entry from one that another ledger has in its place
	Object string
}

// String is the position as followers keep it.
func (p Position) String() string {
	if p.Object == "" {
		return fmt.Sprintf("%d.%s", p.Seq, p.Check)
	}
	return fmt.Sprintf("%d.%s.%s", p.Seq, p.Check, p.Object)
}

// Compare tells which position comes first.
func (p Position) Compare(q Position) int {
	whole := func(p Position) int {
		if p.Object == "" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(p.Seq, q.Seq), cmp.Compare(whole(p), whole(q)), cmp.Compare(p.Object, q.Object))
}

var positionShape = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})\.([0-9a-z]{8})(?:\.([0-9a-z_]{1,64}))?$`)

// ParsePosition reads what String wrote, and nothing else.
func ParsePosition(s string) (Position, bool) {
	if len(s) > 20+checkLen+2+longestObject {
		return Position{}, false
	}
	m := positionShape.FindStringSubmatch(s)
	if m == nil {
		return Position{}, false
	}
	seq, err := strconv.ParseInt(m[1], 10, 64)
	return Position{Seq: seq, Check: m[2], Object: m[3]}, err == nil
}

// checkOf is the end of an entry's id, which is random.
func checkOf(id string) string {
	id = id[strings.IndexByte(id, '_')+1:]
	return id[max(0, len(id)-checkLen):]
}
