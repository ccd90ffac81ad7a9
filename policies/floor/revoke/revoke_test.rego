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

_found := [
	fixtures.found, fixtures.found_grant, fixtures.found_secret, fixtures.found_session, fixtures.found_request,
	fixtures.but(fixtures.found_session, "object/kind", "link"),
	_allowed_machine, _allowed, _done_machine,
]

_allowed_machine := fixtures.plus(
	fixtures.without(fixtures.found_request, "approval"),
	"approval", {"id": "apr_1", "state": "approved", "expires_at": 900, "until": 1250},
)

_allowed := fixtures.plus(
	fixtures.but(fixtures.found_request, "approval/state", "approved"),
	"authorization", fixtures.refresh.authorization,
)

_done_machine := fixtures.plus(
	fixtures.but(fixtures.found_request, "approval/state", "used"),
	"token", fixtures.surrender.token,
)

test_whoever_found_it_may_end_it if {
	every question in _found {
		revoke.decision == {"allow": true, "reasons": set()} with input as question
	}
}

test_finder_of_what_is_over_ends_nothing if {
	every change in [["token/revoked", true], ["token/exp", 1000], ["token/grant/revoked", true], ["token/grant/expires_at", 1000]] {
		_over with input as fixtures.but(fixtures.found, change[0], change[1])
	}
	every change in [["authorization/revoked", true], ["authorization/ends_at", 1000]] {
		_over with input as fixtures.but(fixtures.found_grant, change[0], change[1])
	}
}

test_finder_of_a_request_that_is_done_with_ends_nothing if {
	every change in [["authorization/revoked", true], ["authorization/ends_at", 1000]] {
		_over with input as fixtures.but(_allowed, change[0], change[1])
	}
	every change in [["token/revoked", true], ["token/exp", 1000], ["token/grant/revoked", true]] {
		_over with input as fixtures.but(_done_machine, change[0], change[1])
	}
	not revoke.decision.allow with input as fixtures.but(_allowed_machine, "approval/until", 1000)
	every missing in [[_allowed_machine, "approval/until"], [_allowed, "authorization"], [_done_machine, "token"]] {
		not revoke.decision.allow with input as fixtures.without(missing[0], missing[1])
	}
}

test_finder_of_nothing_ends_nothing if {
	every id in ["", 7, null] {
		revoke.decision.reasons == {
			{"code": "token_unusable", "party": "parent", "value": "missing"},
			{"code": "leak_over", "party": "parent"},
		} with input as fixtures.but(fixtures.found_secret, "credential/id", id)
	}
}

test_finder_of_what_is_nobodys_secret_ends_nothing if {
	every kind in ["passkey", "consent", "agent", "account", "nothing", ""] {
		not revoke.decision.allow with input as fixtures.but(fixtures.found_session, "object/kind", kind)
	}
	every id in ["", 7, null] {
		not revoke.decision.allow with input as fixtures.but(fixtures.found_session, "object/id", id)
	}
	every state in ["approved", "denied", "cancelled", "expired", "used", ""] {
		not revoke.decision.allow with input as fixtures.but(fixtures.found_request, "approval/state", state)
	}
	not revoke.decision.allow with input as fixtures.but(fixtures.found_request, "approval/expires_at", 1000)
}

test_credential_is_nothing_that_its_client_gives_up if {
	question := fixtures.plus(fixtures.without(fixtures.surrender, "token"), "credential", {"id": "crd_1", "method": "secret"})
	not revoke.decision.allow with input as question
}

test_every_fact_of_what_was_found_counts if {
	every fact in {"token/jti", "token/revoked", "token/exp", "token/grant/revoked", "token/grant/expires_at", "action/name"} {
		not revoke.decision.allow with input as fixtures.without(fixtures.found, fact)
	}
	every fact in {"authorization/id", "authorization/revoked", "authorization/ends_at", "action/name"} {
		not revoke.decision.allow with input as fixtures.without(fixtures.found_grant, fact)
	}
}

_over if revoke.decision.reasons == {{"code": "leak_over", "party": "parent"}}
