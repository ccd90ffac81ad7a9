# METADATA
# title: Who may give up which token
# scope: package
package floor.revoke_test

import rego.v2

import data.floor.fixtures
import data.floor.revoke

# Everything else may be missing: revoking only ever takes away.
_needed := {"client", "client/id", "token", "token/jti", "token/client"}

_needed_of_grants := {"client", "client/id", "authorization", "authorization/id", "authorization/client"}

test_holder_may_give_up_its_token if {
	revoke.decision == {"allow": true, "reasons": set()} with input as fixtures.surrender
}

test_nobody_else_may if {
	question := fixtures.but(fixtures.surrender, "client/id", "agt_other")
	revoke.decision.reasons == {{"code": "token_not_own", "party": "client", "id": "agt_other"}} with input as question
}

test_suspended_client_may_still_give_up_its_token if {
	revoke.decision.allow with input as fixtures.but(fixtures.surrender, "client/status", "suspended")
}

test_expired_token_may_still_be_given_up if {
	revoke.decision.allow with input as fixtures.but(fixtures.surrender, "token/exp", 1)
}

test_unreadable_token_is_not_given_up if {
	missing := fixtures.without(fixtures.surrender, "token")
	revoke.decision.reasons == {{
		"code": "token_unusable",
		"party": "parent",
		"value": "malformed",
	}} with input as fixtures.plus(missing, "request", {"token_problem": "malformed"})
}

test_every_needed_fact_counts if {
	every fact in _needed {
		not revoke.decision.allow with input as fixtures.without(fixtures.surrender, fact)
	}
}

test_no_other_fact_counts if {
	every fact in fixtures.facts(fixtures.surrender, set()) - _needed {
		revoke.decision.allow with input as fixtures.without(fixtures.surrender, fact)
	}
}

test_client_may_give_up_what_a_person_granted_it if {
	revoke.decision == {"allow": true, "reasons": set()} with input as fixtures.farewell
}

test_no_other_client_may if {
	question := fixtures.but(fixtures.farewell, "client/id", "agt_other")
	revoke.decision.reasons == {{"code": "authorization_foreign", "party": "client", "id": "agt_other"}} with input as question
}

test_whoever_presents_both_must_hold_both if {
	both := fixtures.plus(fixtures.farewell, "token", fixtures.surrender.token)
	revoke.decision.reasons == {{"code": "token_not_own", "party": "client", "id": "agt_assistant"}} with input as both
}

test_every_needed_fact_of_a_grant_counts if {
	every fact in _needed_of_grants {
		not revoke.decision.allow with input as fixtures.without(fixtures.farewell, fact)
		every value in [null, {}] {
			not revoke.decision.allow with input as fixtures.but(fixtures.farewell, fact, value)
		}
	}
}

test_no_other_fact_of_a_grant_counts if {
	every fact in fixtures.facts(fixtures.farewell, set()) - _needed_of_grants {
		revoke.decision.allow with input as fixtures.without(fixtures.farewell, fact)
	}
}

test_every_type_counts if {
	every fact in _needed {
		every value in [null, {}] {
			not revoke.decision.allow with input as fixtures.but(fixtures.surrender, fact, value)
		}
	}
}
