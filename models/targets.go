package models

import "strings"

// targets are the kinds of things that changes are made to, as this release knows them:
// the prefixes of their ids, and what has no id of the kind.
var targets = map[string]bool{
	PrefixAgent: true, PrefixApplication: true, PrefixUser: true, PrefixGroup: true, PrefixRole: true, PrefixResource: true,
	PrefixCredential: true, PrefixAssignment: true, PrefixGrant: true, PrefixToken: true, PrefixKey: true, PrefixSession: true,
	PrefixLink: true, PrefixVisit: true, PrefixPasskey: true, PrefixConsent: true, PrefixApproval: true, PrefixUpstream: true,
	PrefixIdentity: true, PrefixTransfer: true, PrefixSubscription: true, PrefixEventReceiver: true,
	objectOfPolicy: true, objectOfLedger: true, objectOfMaster: true,
}

// Targets that there is one of.
const (
	objectOfPolicy = "policy"
	objectOfLedger = "ledger"
	objectOfMaster = "master_key"
)

// targetKind is which kind of thing a change was made to, and whether this release
// knows such: a newer one beside it may have changed what it does not.
func targetKind(target string) (kind string, known bool) {
	kind = target
	if !targets[kind] {
		kind, _, _ = strings.Cut(target, "_")
	}
	return kind, targets[kind]
}
