# METADATA
# title: Who learns what of a token
# scope: package
package floor.introspect_test

import rego.v2

import data.floor.fixtures
import data.floor.introspect

test_service_sees_the_token_locked_to_it if {
	introspect.decision == {
		"allow": true,
		"reasons": set(),
		"scopes": {"relay:run"},
		"details": set(),
	} with input as fixtures.inspection
}

test_another_service_sees_nothing if {
	_codes(fixtures.but(fixtures.inspection, "client/id", "agt_other")) == {"caller_not_audience"}
}

test_holder_sees_nothing if {
	_codes(fixtures.but(fixtures.inspection, "client/id", "agt_near")) == {"caller_not_audience"}
}

test_dead_token_is_not_active if {
	_codes(fixtures.but(fixtures.inspection, "token/revoked", true)) == {"token_revoked"}
}

test_token_falls_with_any_link_of_its_chain if {
	_codes(fixtures.but(fixtures.inspection, "chain/1/status", "suspended")) == {"actor_inactive"}
}

test_token_falls_with_its_subject if {
	_codes(fixtures.but(fixtures.inspection, "subject/status", "suspended")) == {"subject_inactive"}
}

test_scope_the_subject_lost_is_not_shown if {
	introspect.held == {"relay:run"} with input as _with_second_scope("chain/0/scopes", "chain/1/scopes")
}

test_scope_an_actor_lost_is_not_shown if {
	introspect.held == {"relay:run"} with input as _with_second_scope("subject/scopes", "chain/1/scopes")
}

test_scope_everybody_still_holds_is_shown if {
	question := _with_second_scope("subject/scopes", "chain/1/scopes")
	introspect.held == {"relay:run", "relay:stop"} with input as fixtures.but(question, "chain/0/scopes", _both)
}

test_token_without_scopes_left_is_not_active if {
	_codes(fixtures.but(fixtures.inspection, "subject/scopes", {})) == {"nothing_left"}
}

test_token_falls_with_the_consent_it_comes_from if {
	_codes(fixtures.but(fixtures.inspection, "consent/revoked", true)) == {"nothing_left"}
	_codes(fixtures.without(fixtures.inspection, "consent")) == {"nothing_left"}
}

test_scope_the_user_took_back_is_not_shown if {
	question := fixtures.but(_with_second_scope("subject/scopes", "chain/1/scopes"), "chain/0/scopes", _both)
	introspect.held == {"relay:stop"} with input as fixtures.without(question, "consent/reach/rsv_relay/relay:run")
}

test_service_is_asked_by_its_own_action if {
	_codes(fixtures.but(fixtures.inspection, "action/name", "issue:access_token:client_credentials")) == {"action_unknown"}
}

_both := {"rsv_relay": {"relay:run": ["rol_1"], "relay:stop": ["rol_1"]}}

# A token of two scopes, both of which are held by the two parties at these places.
_with_second_scope(one, another) := json.patch(fixtures.inspection, [
	{"op": "replace", "path": "token/own", "value": ["relay:run", "relay:stop"]},
	{"op": "replace", "path": one, "value": _both},
	{"op": "replace", "path": another, "value": _both},
	{"op": "replace", "path": "consent/reach", "value": _both},
])

_codes(question) := codes if {
	codes := fixtures.codes(introspect.decision.reasons) with input as question
}
