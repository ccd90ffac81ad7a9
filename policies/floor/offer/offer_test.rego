# METADATA
# title: What a user can be asked for
# scope: package
package floor.offer_test

import rego.v2

import data.floor.fixtures
import data.floor.offer

test_what_was_agreed_to_is_granted_and_the_rest_offered if {
	_states(fixtures.visit) == {"sales:read": "granted", "sales:list": "offered"}
	_offers(fixtures.visit) == {
		{"resource": "rsv_sales", "scope": "sales:read", "risk": "low", "state": "granted", "reasons": set()},
		{"resource": "rsv_sales", "scope": "sales:list", "risk": "medium", "state": "offered", "reasons": set()},
	}
	_codes(fixtures.visit) == set()
}

test_what_the_user_does_not_have_is_greyed if {
	question := fixtures.without(fixtures.visit, "subject/scopes/rsv_sales/sales:list")
	_states(question) == {"sales:read": "granted", "sales:list": "greyed"}
	_why(question) == {{"code": "scope_not_held", "party": "subject", "id": "usr_joe", "scope": "sales:list"}}
	offer.names == {"sales:read"} with input as question
}

test_what_the_client_does_not_have_is_greyed if {
	question := fixtures.without(fixtures.visit, "client/scopes/rsv_sales/sales:read")
	_states(question) == {"sales:read": "greyed", "sales:list": "offered"}
	_why(question) == {{"code": "scope_not_held", "party": "client", "id": "agt_assistant", "scope": "sales:read"}}
}

test_what_is_risky_is_asked_each_time if {
	question := fixtures.but(fixtures.visit, "resources/0/scopes/sales:read/risk", "high")
	_states(question) == {"sales:read": "offered", "sales:list": "offered"}
}

test_what_is_elsewhere_is_asked_each_time if {
	question := object.union(fixtures.look, {"consents": fixtures.visit.consents})
	_states(question) == {"sales:read": "offered", "sales:list": "offered"}
	offer.until == 9000 with input as question
	offer.until == 87400 with input as json.patch(question, [
	{"op": "replace", "path": path, "value": 990000} |
		some path in ["client/expires_at", "client/owner/expires_at", "subject/expires_at"]
	])
}

test_what_was_agreed_for_one_request_counts_for_no_other if {
	question := fixtures.but(fixtures.visit, "consents/0/approval", "apr_1")
	_states(question) == {"sales:read": "offered", "sales:list": "offered"}
}

test_what_is_risky_is_greyed_from_a_device if {
	question := object.union(
		fixtures.but(fixtures.look, "resources/0/scopes/sales:list/risk", "high"),
		{"approval": {"kind": "device"}},
	)
	_why(question) == {{"code": "approval_required", "party": "subject", "id": "usr_joe", "scope": "sales:list"}}
}

test_what_nobody_defines_is_hidden if {
	question := fixtures.without(fixtures.visit, "resources/0/scopes/sales:list")
	_states(question) == {"sales:read": "granted"}
	offer.reasons == {{"code": "scope_unknown", "party": "resource", "scope": "sales:list"}} with input as question
}

test_consent_that_does_not_count_is_asked_for_again if {
	spoiled := {
		"revoked": true, "expires_at": 1000, "redirects_ok": false, "subject": "usr_other",
		"client": "agt_other", "resource": "rsv_wiki", "scopes": {},
	}
	every fact, value in spoiled {
		question := fixtures.but(fixtures.visit, concat("/", ["consents/0", fact]), value)
		_states(question) == {"sales:read": "offered", "sales:list": "offered"}
	}
	_states(fixtures.but(fixtures.visit, "consents", [])) == {"sales:read": "offered", "sales:list": "offered"}
}

test_nothing_requested_means_the_defaults if {
	question := fixtures.but(fixtures.visit, "request/scopes", [])
	_states(fixtures.but(question, "client/defaults", {"rsv_sales": ["sales:list", "sales:gone"]})) == {"sales:list": "offered"}
	_codes(question) == {"scope_required"}
}

test_only_server_that_fits_is_meant if {
	_states(fixtures.but(fixtures.visit, "request/resources", [])) == {"sales:read": "granted", "sales:list": "offered"}
}

test_several_servers_are_asked_for_at_once if {
	wiki := object.union(fixtures.visit.resources[0], {
		"id": "rsv_wiki", "identifier": "https://wiki",
		"scopes": {"sales:list": {"risk": "low"}},
	})
	question := json.patch(fixtures.visit, [
		{"op": "add", "path": "resources/1", "value": wiki},
		{"op": "replace", "path": "request/resources", "value": ["https://sales", "https://wiki"]},
	])
	_codes(question) == set()
	{[o.resource, o.scope, o.state] | some o in _offers(question)} == {
		["rsv_sales", "sales:read", "granted"], ["rsv_sales", "sales:list", "offered"],
		["rsv_wiki", "sales:read", "greyed"], ["rsv_wiki", "sales:list", "greyed"],
	}
	_codes(fixtures.but(question, "request/resources", ["https://sales", "https://nowhere"])) == {"resource_unknown"}
	_codes(fixtures.but(question, "resources/1/status", "suspended")) == {"resource_inactive"}
}

test_who_somebody_is_is_asked_besides if {
	every resources in [[], ["https://sales"], ["https://sales", "https://deputy/oauth2/userinfo"]] {
		question := fixtures.but(fixtures.meeting, "request/resources", resources)
		_codes(question) == set()
		{[o.resource, o.scope, o.state] | some o in _offers(question)} == {
			["rsv_sales", "sales:read", "granted"],
			["rsv_openid", "openid", "offered"], ["rsv_openid", "email", "greyed"],
		}
	}
}

test_beside_openid_what_is_not_understood_is_not_offered if {
	question := fixtures.but(fixtures.meeting, "request/scopes", ["openid", "unheard:of"])
	_codes(question) == set()
	_states(question) == {"openid": "offered"}
}

test_without_openid_it_is_not if {
	question := fixtures.but(fixtures.meeting, "request/resources", ["https://sales"])
	asked := fixtures.but(question, "request/scopes", ["sales:read", "email"])
	_states(asked) == {"sales:read": "granted"}
	_codes(asked) == {"scope_unknown"}
}

test_server_that_is_not_known_is_not_asked_for if {
	_codes(fixtures.but(fixtures.visit, "request/resources", ["https://nowhere"])) == {"resource_unknown", "scope_unknown"}
	_codes(fixtures.but(fixtures.visit, "resources", [null])) == {"resource_unknown", "scope_unknown"}
}

test_consent_ends_with_whoever_ends_first if {
	_until(fixtures.visit, "client/expires_at", 2000) == 2000
	_until(fixtures.visit, "client/owner/expires_at", 2000) == 2000
	_until(fixtures.visit, "subject/expires_at", 2000) == 2000
}

test_no_consent_lasts_longer_than_a_year if {
	endless := json.patch(fixtures.visit, [{"op": "replace", "path": path, "value": 253402300799} |
		some path in ["client/expires_at", "client/owner/expires_at", "subject/expires_at"]
	])
	_until(endless, "now", 1000) == 31537000
}

_offers(question) := offers if {
	offers := offer.offers with input as question
}

_states(question) := {o.scope: o.state | some o in _offers(question)}

_why(question) := {r | some o in _offers(question); some r in o.reasons}

_codes(question) := codes if {
	codes := fixtures.codes(offer.reasons) with input as question
}

_until(question, pointer, value) := until if {
	until := offer.until with input as fixtures.but(question, pointer, value)
}
