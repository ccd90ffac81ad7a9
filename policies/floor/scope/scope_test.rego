# METADATA
# title: What every party must hold
# scope: package
package floor.scope_test

import rego.v2

import data.floor.fixtures
import data.floor.scope

test_requested_is_granted_when_everybody_holds_it if {
	some question in [fixtures.credentials, fixtures.relay, fixtures.assist]
	scope.granted == {"sales:read"} with input as question
}

test_nothing_beyond_the_request_is_granted if {
	scope.granted == {"sales:read"} with input as _everybody_also_holds("sales:export")
}

test_repeated_scope_is_one_scope if {
	scope.requested == {"sales:read"} with input as fixtures.but(
		fixtures.credentials,
		"request/scopes", ["sales:read", "sales:read"],
	)
}

test_scope_the_server_does_not_define_is_unknown if {
	question := fixtures.but(fixtures.credentials, "resources/0/scopes", {})
	{"code": "scope_unknown", "party": "resource", "id": "rsv_sales", "scope": "sales:read"} in _missing(question)
}

test_scope_of_unknown_risk_is_unknown if {
	question := fixtures.but(fixtures.credentials, "resources/0/scopes/sales:read/risk", "")
	"scope_unknown" in fixtures.codes(_missing(question))
}

test_client_scope_bounds_grant if {
	question := fixtures.but(fixtures.relay, "client/scopes", {})
	_missing(question) == {{"code": "scope_not_held", "party": "client", "id": "agt_relay", "scope": "sales:read"}}
}

test_subject_scope_bounds_grant if {
	question := fixtures.but(fixtures.relay, "subject/scopes", {})
	_missing(question) == {{"code": "scope_not_held", "party": "subject", "id": "agt_root", "scope": "sales:read"}}
}

test_parent_scope_bounds_grant if {
	question := fixtures.but(fixtures.relay, "parent/scopes", {})
	_missing(question) == {{"code": "scope_not_in_parent", "party": "parent", "id": "tok_1", "scope": "sales:read"}}
}

test_every_actor_scope_bounds_grant if {
	question := fixtures.but(fixtures.relay, "chain/1/scopes", {})
	_missing(question) == {{"code": "scope_not_held", "party": "actor", "id": "agt_far", "scope": "sales:read"}}
}

test_same_name_at_another_server_is_another_scope if {
	question := fixtures.but(fixtures.credentials, "client/scopes", {"rsv_wiki": {"sales:read": ["rol_1"]}})
	fixtures.codes(_missing(question)) == {"scope_not_held"}
}

test_scope_held_through_nothing_is_not_held if {
	question := fixtures.but(fixtures.credentials, "client/scopes/rsv_sales/sales:read", [])
	fixtures.codes(_missing(question)) == {"scope_not_held"}
}

test_each_scope_is_judged_by_itself if {
	question := fixtures.but(fixtures.credentials, "request/scopes", ["sales:read", "sales:export"])
	scope.granted == {"sales:read"} with input as question
	{m.scope | some m in _missing(question)} == {"sales:export"}
}

test_without_audience_nothing_is_granted if {
	question := fixtures.but(fixtures.credentials, "request/resources", ["https://elsewhere"])
	scope.granted == set() with input as question
	_missing(question) == {{"code": "scope_unknown", "party": "resource", "scope": "sales:read"}}
}

test_nothing_requested_means_the_defaults if {
	question := fixtures.but(_asks_nothing, "client/defaults", {"rsv_sales": ["sales:read"]})
	scope.granted == {"sales:read"} with input as question
}

test_defaults_at_another_server_are_none_here if {
	question := fixtures.but(_asks_nothing, "client/defaults", {"rsv_wiki": ["sales:read"]})
	scope.requested == set() with input as question
}

test_nothing_requested_is_never_everything if {
	fixtures.codes(scope.reasons) == {"scope_required"} with input as _asks_nothing
}

test_default_is_granted_only_while_it_is_held if {
	question := fixtures.but(_asks_nothing, "client/defaults", {"rsv_sales": ["sales:export"]})
	scope.granted == set() with input as question
}

test_scopes_that_cannot_be_read_are_not_nothing_requested if {
	defaults := fixtures.but(fixtures.credentials, "client/defaults", {"rsv_sales": ["sales:read"]})
	scope.requested == set() with input as fixtures.but(defaults, "request/scopes", null)
}

test_nothing_requested_means_all_a_person_granted if {
	every question in [fixtures.code, fixtures.refresh] {
		scope.granted == {"sales:read"} with input as fixtures.but(question, "request/scopes", [])
	}
}

test_defaults_are_for_clients_that_ask_for_themselves if {
	question := fixtures.but(fixtures.code, "request/scopes", [])
	preset := fixtures.but(question, "client/defaults", {"rsv_sales": ["sales:export"]})
	scope.requested == {"sales:read"} with input as preset
}

test_grant_of_a_person_bounds_grant if {
	question := fixtures.but(fixtures.code, "authorization/scopes", {})
	_missing(question) == {{"code": "scope_not_authorized", "party": "grant", "id": "gnt_1", "scope": "sales:read"}}
}

_asks_nothing := fixtures.but(fixtures.credentials, "request/scopes", [])

_everybody_also_holds(name) := json.patch(fixtures.relay, [{"op": "add", "path": path, "value": value} |
	some path, value in {
		sprintf("resources/0/scopes/%s", [name]): {"risk": "low"},
		sprintf("client/scopes/rsv_sales/%s", [name]): ["rol_1"],
		sprintf("subject/scopes/rsv_sales/%s", [name]): ["rol_1"],
		sprintf("parent/scopes/rsv_sales/%s", [name]): [name],
	}
])

_missing(question) := missing if {
	missing := scope.missing with input as question
}
