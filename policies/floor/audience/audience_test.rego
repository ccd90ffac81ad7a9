# METADATA
# title: Which service a token is locked to
# scope: package
package floor.audience_test

import rego.v2

import data.floor.audience
import data.floor.fixtures

test_named_resource_is_the_audience if {
	audience.id == "rsv_sales" with input as fixtures.credentials
	audience.identifier == "https://sales" with input as fixtures.credentials
}

test_named_resource_is_found_among_others if {
	audience.index == 1 with input as fixtures.but(_two, "request/resources", ["https://sales"])
}

test_unregistered_resource_is_refused if {
	question := fixtures.but(fixtures.credentials, "request/resources", ["https://elsewhere"])
	audience.reasons == {{
		"code": "resource_unknown",
		"party": "resource",
		"value": "https://elsewhere",
	}} with input as question
}

test_identifier_is_compared_exactly if {
	_codes(fixtures.but(fixtures.credentials, "request/resources", ["https://sales/"])) == {"resource_unknown"}
}

test_token_has_one_audience if {
	_codes(fixtures.but(_two, "request/resources", ["https://sales", "https://wiki"])) == {"resource_several"}
}

test_inactive_resource_is_refused if {
	_codes(fixtures.but(fixtures.credentials, "resources/0/status", "suspended")) == {"resource_inactive"}
}

test_resource_without_identifier_is_no_audience if {
	unnamed := fixtures.but(fixtures.credentials, "request/resources", [])
	_codes(fixtures.without(unnamed, "resources/0/identifier")) == {"resource_unknown"}
}

test_only_resource_that_fits_need_not_be_named if {
	audience.id == "rsv_sales" with input as _two
}

test_resource_fits_if_it_knows_the_scope_and_the_client_holds_it_there if {
	held_elsewhere := fixtures.but(_two, "client/scopes", {"rsv_wiki": {"sales:read": ["rol_1"]}})
	not audience.id with input as held_elsewhere
}

test_several_that_fit_are_ambiguous if {
	known := fixtures.plus(_two, "resources/0/scopes/sales:read", {"risk": "low"})
	_codes(fixtures.plus(known, "client/scopes/rsv_wiki", {"sales:read": ["rol_1"]})) == {"resource_ambiguous"}
}

test_none_that_fits_must_be_named if {
	_codes(fixtures.but(_two, "request/scopes", ["unheard:of"])) == {"resource_required"}
}

test_single_candidate_is_where_a_bad_scope_is_judged if {
	unnamed := fixtures.but(fixtures.credentials, "request/resources", [])
	audience.id == "rsv_sales" with input as fixtures.but(unnamed, "request/scopes", ["unheard:of"])
}

test_nothing_requested_fits_where_the_client_has_defaults if {
	asks_nothing := fixtures.but(_two, "request/scopes", [])
	audience.id == "rsv_wiki" with input as fixtures.plus(asks_nothing, "client/defaults/rsv_wiki", ["wiki:read"])
}

test_resources_that_cannot_be_read_name_none if {
	_codes(fixtures.but(_two, "request/resources", null)) == {"resource_required"}
}

test_what_else_is_asked_for_decides if {
	audience.id == "rsv_sales" with input as fixtures.but(fixtures.meeting, "request/scopes", ["openid", "sales:read"])
	third := fixtures.plus(fixtures.meeting, "resources/2", _wiki)
	audience.id == "rsv_sales" with input as fixtures.but(third, "request/scopes", ["email", "openid", "sales:read"])
	both := fixtures.plus(third, "resources/2/scopes/wiki:read", {"risk": "low"})
	_codes(fixtures.but(both, "request/scopes", ["openid", "sales:read", "wiki:read"])) == {"resource_required"}
}

test_what_is_not_understood_is_not_looked_at_beside_openid if {
	unheard := fixtures.but(fixtures.meeting, "request/scopes", ["unheard:of", "openid", "email"])
	audience.asked == ["openid", "email"] with input as unheard
	audience.id == "rsv_openid" with input as unheard
	riskless := fixtures.but(fixtures.meeting, "resources/0/scopes/email/risk", "unheard of")
	audience.asked == ["openid", "sales:read"] with input as riskless
	unknown := fixtures.but(fixtures.meeting, "resources", [_sales])
	audience.asked == ["openid", "sales:read"] with input as unknown
	work := fixtures.but(fixtures.meeting, "request/scopes", ["unheard:of", "sales:read"])
	audience.asked == ["unheard:of", "sales:read"] with input as work
	machine := object.union(unheard, {"action": {"name": "issue:access_token:client_credentials"}})
	count(audience.asked) == 3 with input as machine
}

test_who_somebody_is_may_be_asked_alone if {
	audience.id == "rsv_openid" with input as fixtures.but(fixtures.meeting, "request/scopes", ["openid", "email"])
	named := fixtures.but(fixtures.meeting, "request/resources", ["https://sales"])
	audience.id == "rsv_sales" with input as fixtures.but(named, "request/scopes", ["openid", "email"])
}

test_who_somebody_is_matters_to_no_machine if {
	machine := object.union(fixtures.meeting, {"action": {"name": "issue:access_token:client_credentials"}})
	_codes(fixtures.but(machine, "request/scopes", ["openid", "sales:read"])) == {"resource_required"}
}

test_going_on_without_the_user_is_not_asked_for if {
	audience.asked == ["sales:read"] with input as fixtures.but(fixtures.visit, "request/scopes", ["sales:read", "offline_access"])
	audience.asked == ["offline_access"] with input as fixtures.but(fixtures.visit, "request/scopes", ["offline_access"])
	machine := fixtures.but(fixtures.credentials, "request/scopes", ["sales:read", "offline_access"])
	count(audience.asked) == 2 with input as machine
}

# Two servers, none of them named; the second fits.
_two := object.union(fixtures.credentials, {
	"request": {"resources": [], "scopes": ["sales:read"]},
	"resources": [_wiki, _sales],
})

_wiki := object.union(json.remove(_sales, ["scopes/sales:read"]), {"id": "rsv_wiki", "identifier": "https://wiki"})

_sales := fixtures.credentials.resources[0]

_codes(question) := codes if {
	codes := fixtures.codes(audience.reasons) with input as question
}
