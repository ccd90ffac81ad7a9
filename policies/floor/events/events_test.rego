# METADATA
# title: Who follows which events
# scope: package
package floor.events_test

import rego.v2

import data.floor.events
import data.floor.fixtures

_optional := {
	# For people to read.
	"client/name", "resources/*/name",
	# Of house policy, which has no say here.
	"client/labels",
	# Only what the owner is worth counts, not who it is.
	"client/owner/id",
	# Asked when a token is issued.
	"client/grant_types", "client/max_ttl", "client/defaults", "client/scopes",
	"resources/*/identifier", "resources/*/status", "resources/*/token_ttl", "resources/*/max_depth", "resources/*/scopes",
}

test_operator_hears_of_its_services if {
	events.decision == {"allow": true, "reasons": set(), "services": {"rsv_relay"}} with input as fixtures.following
}

test_operator_hears_of_no_other_service if {
	both := fixtures.but(fixtures.following, "resources", [
		fixtures.following.resources[0],
		object.union(fixtures.following.resources[0], {"id": "rsv_other", "operator": "agt_other"}),
	])
	events.decision == {"allow": true, "reasons": set(), "services": {"rsv_relay"}} with input as both
}

test_service_that_is_suspended_hears_on if {
	events.decision.allow with input as fixtures.but(fixtures.following, "resources/0/status", "suspended")
}

test_who_operates_nothing_hears_nothing if {
	_reasons(fixtures.but(fixtures.following, "resources", [])) == {_nothing("agt_relay")}
	_reasons(fixtures.but(fixtures.following, "resources/0/operator", "agt_other")) == {_nothing("agt_relay")}
}

test_nobody_is_not_the_operator_of_what_nobody_operates if {
	nobody := fixtures.but(fixtures.but(fixtures.following, "client/id", ""), "resources/0/operator", "")
	_codes(nobody) == {"client_unknown"}
}

test_suspended_client_hears_nothing if {
	_codes(fixtures.but(fixtures.following, "client/status", "suspended")) == {"client_inactive"}
	_codes(fixtures.but(fixtures.following, "client/expires_at", 1000)) == {"client_expired"}
	_codes(fixtures.but(fixtures.following, "client/owner/status", "suspended")) == {"client_owner_inactive"}
}

test_document_of_another_version_is_not_understood if {
	_codes(fixtures.but(fixtures.following, "v", 2)) == {"version_unknown"}
}

test_other_actions_are_unknown if {
	_codes(fixtures.but(fixtures.following, "action/name", "introspect")) == {"action_unknown"}
	_codes(fixtures.without(fixtures.following, "action")) == {"action_unknown"}
}

test_every_fact_counts if {
	every fact in fixtures.facts(fixtures.following, _optional) {
		not events.decision.allow with input as fixtures.without(fixtures.following, fact)
	}
}

test_every_type_counts if {
	every fact in fixtures.facts(fixtures.following, _optional) {
		every value in [null, {}] {
			not _heard(fixtures.but(fixtures.following, fact, value))
		}
	}
}

# A service of whose id nothing can be said is heard of by that name, which is nobody's.
_heard(question) if {
	decision := events.decision with input as question
	decision.allow
	"rsv_relay" in decision.services
}

_nothing(client) := {"code": "operates_nothing", "party": "client", "id": client}

_reasons(question) := reasons if {
	reasons := events.decision.reasons with input as question
}

_codes(question) := fixtures.codes(_reasons(question))
