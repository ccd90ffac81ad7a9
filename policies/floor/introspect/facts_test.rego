# METADATA
# title: Facts an introspection cannot do without
# scope: package
package floor.introspect_facts_test

import rego.v2

import data.floor.fixtures
import data.floor.introspect

_optional := {
	# For people to read.
	"client/name", "subject/name", "chain/*/name",
	# Of house policy, which asks for the labels it minds.
	"client/labels", "subject/labels", "chain/*/labels",
	# Only what the owner is worth counts, not who it is; and a user has none.
	"client/owner/id", "chain/*/owner/id", "subject/owner",
	# Asked when a token is issued.
	"client/grant_types", "chain/*/grant_types", "client/max_ttl", "chain/*/max_ttl",
	"client/defaults", "chain/*/defaults", "token/scopes",
	# The caller is the service, not a party to the token.
	"client/scopes",
	# For the record.
	"token/grant/id", "token/txn", "consent/id", "consent/approval",
	# What is handed on need only follow from what was agreed to.
	"consent/resource", "consent/scopes",
}

# What is held is held through something; what that is called is provenance.
_provenance := {
	"subject/scopes/rsv_relay/relay:run/*", "chain/*/scopes/rsv_relay/relay:run/*",
	"consent/reach/rsv_relay/relay:run/*",
}

test_every_fact_counts if {
	every fact in fixtures.facts(fixtures.inspection, _optional) {
		not introspect.decision.allow with input as fixtures.without(fixtures.inspection, fact)
	}
}

test_no_listed_fact_counts if {
	every fact in fixtures.facts(fixtures.inspection, set()) - fixtures.facts(fixtures.inspection, _optional) {
		introspect.decision.allow with input as fixtures.without(fixtures.inspection, fact)
	}
}

test_every_type_counts if {
	every fact in fixtures.facts(fixtures.inspection, _optional | _provenance) {
		every value in [null, {}] {
			not introspect.decision.allow with input as fixtures.but(fixtures.inspection, fact, value)
		}
	}
}
