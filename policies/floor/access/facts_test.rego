# METADATA
# title: Facts an answer to a service cannot do without
# scope: package
package floor.access_facts_test

import rego.v2

import data.floor.access
import data.floor.fixtures

_optional := {
	# For people to read.
	"client/name", "subject/name", "chain/*/name", "resources/*/name",
	# Of house policy, which asks for the labels it minds.
	"client/labels", "subject/labels", "chain/*/labels",
	# Only what the owner is worth counts, not who it is; and a user has none.
	"client/owner/id", "chain/*/owner/id", "subject/owner",
	# Asked when a token is issued.
	"client/grant_types", "chain/*/grant_types", "client/max_ttl", "chain/*/max_ttl",
	"client/defaults", "chain/*/defaults", "token/scopes", "resources/*/token_ttl",
	# The caller is the service, not a party to what it asks about; its token is for
	# the resource server it asks about, whose operator it is.
	"client/scopes", "token/aud/operator",
	# For the record.
	"token/grant/id", "token/txn", "consent/id", "consent/approval", "consents/*/id", "consents/*/approval",
	# First hand the consent names the scope, and otherwise it leads there.
	"consent/resource", "consent/scopes", "consents/*/reach",
}

# What is held is held through something; what that is called is provenance.
_provenance := {
	"subject/scopes/rsv_sales/sales:read/*", "chain/*/scopes/rsv_sales/sales:read/*",
	"consent/reach/rsv_sales/sales:read/*",
}

_questions := [fixtures.enquiry, fixtures.enquiry_by_token]

test_every_fact_counts if {
	every question in _questions {
		every fact in fixtures.facts(question, _optional) {
			not access.decision.allow with input as fixtures.without(question, fact)
		}
	}
}

test_no_listed_fact_counts if {
	every question in _questions {
		every fact in fixtures.facts(question, set()) - fixtures.facts(question, _optional) {
			access.decision.allow with input as fixtures.without(question, fact)
		}
	}
}

test_every_type_counts if {
	every question in _questions {
		every fact in fixtures.facts(question, _optional | _provenance) {
			every value in [null, {}] {
				not access.decision.allow with input as fixtures.but(question, fact, value)
			}
		}
	}
}
