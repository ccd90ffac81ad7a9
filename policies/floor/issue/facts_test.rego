# METADATA
# title: Facts an issue decision cannot do without
# description: >-
#   Each fact in turn is taken out, nulled, or replaced by something of another
#   type. Unless it is listed here as one the floor may lack, that must refuse.
# scope: package
package floor.issue_test

import rego.v2

import data.floor.fixtures
import data.floor.issue

# What may be missing from any question, and why.
_optional := {
	"client/name", "subject/name", "chain/*/name", "resources/*/name", # for people to read
	"client/labels", "subject/labels", "chain/*/labels", # of house policy
	"client/owner/id", "subject/owner/id", "chain/*/owner/id", # only whether the owner is there counts
	"client/defaults", # only if no scope is requested
	"subject/owner", # of agents; a user has none
	"subject/grant_types", "chain/*/grant_types", # what a client may ask binds it when it asks itself
	"subject/max_ttl", "chain/*/max_ttl", "subject/defaults", "chain/*/defaults",
	"resources/*/operator", # matters once a token for it is presented
	"parent/aud/id", "parent/grant/id", "consent/id", # for the record
	"parent/iat", "parent/txn", # for the record
	"parent/own", # reach says the same, and more
}

# Nobody is in front of an agent that asks for itself.
_optional_alone := _optional | {"chain"}

# The service a token was sent to need not hold it; but whose token it is, is no
# secret: its holder must be one of the chain.
_optional_sent := _optional

# A holder need not be the one it was sent to.
_optional_held := _optional | {"parent/aud/operator"}

test_no_fact_of_client_credentials_can_be_missing if {
	every path in fixtures.facts(fixtures.credentials, _optional_alone) {
		not issue.decision.allow with input as json.remove(fixtures.credentials, [path])
	}
}

test_no_fact_of_a_relay_can_be_missing if {
	every path in fixtures.facts(fixtures.relay, _optional_sent) {
		not issue.decision.allow with input as json.remove(fixtures.relay, [path])
	}
}

test_no_fact_of_an_assistant_can_be_missing if {
	every path in fixtures.facts(fixtures.assist, _optional_held) {
		not issue.decision.allow with input as json.remove(fixtures.assist, [path])
	}
}
