# METADATA
# title: Facts a userinfo question cannot do without
# scope: package
package floor.userinfo_facts_test

import rego.v2

import data.floor.fixtures
import data.floor.userinfo

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
	# Nobody operates the userinfo endpoint but Deputy.
	"token/aud/operator",
	# For the record.
	"token/grant/id", "token/txn", "consent/id", "consent/approval",
	# What is handed on need only follow from what was agreed to.
	"consent/resource", "consent/scopes",
}

# What is held is held through something; what that is called is provenance.
_provenance := {
	"client/scopes/rsv_openid/openid/*", "subject/scopes/rsv_openid/openid/*",
	"chain/*/scopes/rsv_openid/openid/*", "consent/reach/rsv_openid/openid/*",
}

test_every_fact_counts if {
	every fact in fixtures.facts(fixtures.acquaintance, _optional) {
		not userinfo.decision.allow with input as fixtures.without(fixtures.acquaintance, fact)
	}
}

test_no_listed_fact_counts if {
	every fact in fixtures.facts(fixtures.acquaintance, set()) - fixtures.facts(fixtures.acquaintance, _optional) {
		userinfo.decision.allow with input as fixtures.without(fixtures.acquaintance, fact)
	}
}

test_every_type_counts if {
	every fact in fixtures.facts(fixtures.acquaintance, _optional | _provenance) {
		every value in [null, {}] {
			not userinfo.decision.allow with input as fixtures.but(fixtures.acquaintance, fact, value)
		}
	}
}
