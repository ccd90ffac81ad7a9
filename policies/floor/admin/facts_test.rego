# METADATA
# title: Facts an administration question cannot do without
# scope: package
package floor.admin_facts_test

import rego.v2

import data.floor.admin
import data.floor.fixtures

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
	# Nobody operates Deputy's own API but Deputy.
	"token/aud/operator",
	# For the record.
	"token/grant/id", "token/txn", "consent/id", "consent/approval",
	# What is handed on need only follow from what was agreed to.
	"consent/resource", "consent/scopes",
}

# What is held is held through something; what that is called is provenance.
_provenance := {
	"client/scopes/rsv_deputy/clients:read/*", "subject/scopes/rsv_deputy/clients:read/*",
	"chain/*/scopes/rsv_deputy/clients:read/*", "consent/reach/rsv_deputy/clients:read/*",
}

test_every_fact_counts if {
	every fact in fixtures.facts(fixtures.administration, _optional) {
		not admin.decision.allow with input as fixtures.without(fixtures.administration, fact)
	}
}

test_no_listed_fact_counts if {
	every fact in fixtures.facts(fixtures.administration, set()) - fixtures.facts(fixtures.administration, _optional) {
		admin.decision.allow with input as fixtures.without(fixtures.administration, fact)
	}
}

test_every_type_counts if {
	every fact in fixtures.facts(fixtures.administration, _optional | _provenance) {
		every value in [null, {}] {
			not admin.decision.allow with input as fixtures.but(fixtures.administration, fact, value)
		}
	}
}
