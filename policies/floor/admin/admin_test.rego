# METADATA
# title: Who may administer
# scope: package
package floor.admin_test

import rego.v2

import data.floor.admin
import data.floor.fixtures

test_live_token_with_the_scope_may if {
	admin.decision == {"allow": true, "reasons": set()} with input as fixtures.administration
}

test_token_for_another_service_may_not if {
	_codes(fixtures.but(fixtures.administration, "token/aud/id", "rsv_sales")) == {"audience_mismatch"}
}

test_token_needs_the_scope_of_the_operation if {
	question := fixtures.but(fixtures.administration, "token/own", ["users:read"])
	_reasons(question) == {{"code": "insufficient_scope", "party": "parent", "scope": "clients:read"}}
}

test_reading_is_not_writing if {
	_codes(fixtures.but(fixtures.administration, "action/name", "admin:createClient")) == {
		"insufficient_scope", "scope_not_held", "scope_not_consented",
	}
}

test_user_must_still_agree if {
	question := fixtures.but(fixtures.administration, "consent/revoked", true)
	_reasons(question) == {{
		"code": "scope_not_consented",
		"party": "consent",
		"id": "usr_admin",
		"scope": "clients:read",
	}}
}

# An agent looks after its own secret.
_own := fixtures.but(
	fixtures.but(
		fixtures.but(_holding(fixtures.but(fixtures.administration, "action/name", "admin:rotateOwnCredential"), ["credentials:own"]), "token/own", ["credentials:own"]),
		"subject", fixtures.administration.client,
	),
	"subject/scopes", {"rsv_deputy": {"credentials:own": ["rol_own"]}},
)

_alone := json.patch(_own, [
	{"op": "replace", "path": "/token/subject", "value": _own.client.id},
	{"op": "replace", "path": "/token/chain", "value": []},
	{"op": "replace", "path": "/chain", "value": []},
])

test_client_may_rotate_its_own_secret if {
	every operation in ["admin:getOwnCredential", "admin:rotateOwnCredential"] {
		admin.decision == {"allow": true, "reasons": set()} with input as fixtures.but(_alone, "action/name", operation)
	}
}

test_answer_says_how_long_the_new_secret_lives if {
	question := object.union(_alone, {"request": {"renewal": {"overlap": 3600, "life": 86400}}})
	admin.decision == {"allow": true, "reasons": set(), "ttl": 86400} with input as question
	admin.decision == {"allow": true, "reasons": set()} with input as fixtures.but(question, "action/name", "admin:getOwnCredential")
}

test_new_secret_keeps_within_bounds if {
	_codes(object.union(_alone, {"request": {"renewal": {"overlap": 60, "life": 86400}}})) == {"overlap_out_of_bounds"}
	_codes(object.union(_alone, {"request": {"renewal": {"overlap": 3600}}})) == {"renewal_unknown"}
}

test_nobody_else_may_through_it if {
	"own_only" in _codes(fixtures.but(_alone, "token/subject", "usr_admin"))
	"own_only" in _codes(fixtures.but(_alone, "token/chain", ["agt_helper"]))
	"own_only" in _codes(_own)
}

# Trying out requests takes its own right, and the rights to read what it shows.
_explaining := ["clients:read", "policy:explain", "resources:read", "tokens:read", "users:read"]

_explanation(own) := fixtures.but(
	_holding(fixtures.but(fixtures.administration, "action/name", "admin:explainRequest"), _explaining),
	"token/own", own,
)

_holding(question, rights) := json.patch(question, [{"op": "replace", "path": path, "value": held} |
	held := {"rsv_deputy": {right: ["rol_admin"] | some right in rights}}
	some path in ["/client/scopes", "/subject/scopes", "/chain/0/scopes", "/consent/reach"]
])

test_explaining_takes_every_right_it_shows if {
	admin.decision.allow with input as _explanation(_explaining)
	every right in _explaining {
		rest := [other | some other in _explaining; other != right]
		_reasons(_explanation(rest)) == {{"code": "insufficient_scope", "party": "parent", "scope": right}}
	}
}

test_explaining_takes_rights_that_everybody_holds if {
	every right in _explaining {
		question := object.union(_explanation(_explaining), {"subject": {"scopes": {"rsv_deputy": {right: []}}}})
		_reasons(question) == {{"code": "scope_not_held", "party": "subject", "id": "usr_admin", "scope": right}}
	}
}

test_unknown_operation_is_refused if {
	question := fixtures.but(fixtures.administration, "action/name", "admin:makeMeKing")
	_reasons(question) == {{"code": "operation_unknown", "value": "admin:makeMeKing"}}
}

test_operation_is_asked_for_by_its_full_name if {
	_codes(fixtures.but(fixtures.administration, "action/name", "listClients")) == {"operation_unknown"}
}

test_client_must_still_hold_the_scope if {
	question := fixtures.but(fixtures.administration, "client/scopes", {})
	{"code": "scope_not_held", "party": "client", "id": "agt_helper", "scope": "clients:read"} in _reasons(question)
}

test_user_must_still_hold_the_scope if {
	question := fixtures.but(fixtures.administration, "subject/scopes", {})
	_reasons(question) == {{"code": "scope_not_held", "party": "subject", "id": "usr_admin", "scope": "clients:read"}}
}

test_every_actor_must_still_hold_the_scope if {
	question := fixtures.but(fixtures.administration, "chain/0/scopes", {})
	_reasons(question) == {{"code": "scope_not_held", "party": "actor", "id": "agt_helper", "scope": "clients:read"}}
}

test_scope_held_elsewhere_does_not_count if {
	question := fixtures.but(fixtures.administration, "subject/scopes", {"rsv_sales": {"clients:read": ["rol_1"]}})
	_codes(question) == {"scope_not_held"}
}

test_authority_that_is_carried_may_be_handed_on if {
	question := fixtures.but(fixtures.administration, "request/scopes", ["clients:read"])
	admin.decision.allow with input as question
}

test_nobody_hands_on_what_the_token_does_not_carry if {
	question := fixtures.but(fixtures.administration, "request/scopes", ["clients:read", "roles:assign"])
	held := fixtures.but(question, "subject/scopes/rsv_deputy", {"clients:read": ["rol_1"], "roles:assign": ["rol_1"]})
	_reasons(held) == {{"code": "authority_exceeded", "party": "parent", "scope": "roles:assign"}}
}

test_effects_take_the_right_they_amount_to if {
	rights := {
		"effect:assigns_owner": "owners:assign",
		"effect:stops_client": "clients:suspend",
		"effect:stops_user": "users:suspend",
		"effect:moves_service": "roles:assign",
	}
	every effect, right in rights {
		question := fixtures.but(fixtures.administration, "request/scopes", [effect])
		_reasons(question) == {{"code": "authority_exceeded", "party": "parent", "scope": right}}
		_reasons(question) == _reasons(fixtures.but(fixtures.administration, "request/scopes", [right]))
	}
}

test_authority_must_still_be_held_by_everybody if {
	both := {"clients:read": ["rol_1"], "roles:assign": ["rol_1"]}
	carried := json.patch(fixtures.administration, [
		{"op": "replace", "path": "request/scopes", "value": ["roles:assign"]},
		{"op": "replace", "path": "token/own", "value": ["clients:read", "roles:assign"]},
		{"op": "replace", "path": "client/scopes/rsv_deputy", "value": both},
		{"op": "replace", "path": "subject/scopes/rsv_deputy", "value": both},
		{"op": "replace", "path": "chain/0/scopes/rsv_deputy", "value": both},
		{"op": "replace", "path": "consent/reach/rsv_deputy", "value": both},
	])
	admin.decision.allow with input as carried
	every held in ["client/scopes", "subject/scopes", "chain/0/scopes", "consent/reach"] {
		question := fixtures.without(carried, concat("/", [held, "rsv_deputy/roles:assign"]))
		_reasons(question) == {{"code": "authority_exceeded", "party": "parent", "scope": "roles:assign"}}
	}
}

test_authority_that_is_not_told_is_refused if {
	every value in [null, {}, "clients:read"] {
		question := fixtures.but(fixtures.administration, "request/scopes", value)
		_reasons(question) == {{"code": "authority_unknown", "party": "parent"}}
	}
	_codes(fixtures.without(fixtures.administration, "request")) == {"authority_unknown"}
}

test_token_is_carried_by_the_one_it_was_issued_to if {
	_codes(fixtures.but(fixtures.administration, "client/id", "agt_other")) == {"client_unknown"}
}

test_dead_token_may_not if {
	_codes(fixtures.but(fixtures.administration, "token/exp", 1000)) == {"token_expired"}
}

test_suspended_administrator_may_not if {
	_codes(fixtures.but(fixtures.administration, "subject/status", "suspended")) == {"subject_inactive"}
}

test_every_operation_needs_some_scope if {
	every operation, scope in admin.required {
		question := fixtures.but(fixtures.administration, "action/name", sprintf("admin:%s", [operation]))
		admin.scope == scope with input as question
	}
}

test_widening_and_stopping_are_rights_of_their_own if {
	writes := {scope | some operation in ["updateClient", "createClient"]; scope := admin.required[operation]}
	widens := {scope | some operation in ["createAssignment", "addGroupMember"]; scope := admin.required[operation]}
	stops := {scope | some operation in ["suspendClient", "restoreClient"]; scope := admin.required[operation]}
	(count(writes & widens) + count(writes & stops)) + count(widens & stops) == 0
}

_reasons(question) := reasons if {
	reasons := admin.decision.reasons with input as question
}

_codes(question) := fixtures.codes(_reasons(question))
