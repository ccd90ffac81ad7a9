# METADATA
# title: What is left of an answer of the decision API
# scope: package
package compose.access_test

import rego.v2

import data.compose.access

_granted := {"allow": true, "reasons": set(), "scopes": {"relay:run"}, "resource": "rsv_relay"}

test_silent_house_leaves_the_floor_as_it_is if _decision(object.union(_granted, {"index": 0}), {}) == _granted

test_refusal_of_the_floor_stands if {
	refused := {"allow": false, "reasons": {{"code": "caller_not_operator", "party": "client"}}, "scopes": set(), "resource": ""}
	_decision(object.union(refused, {"index": -1}), {}) == refused
}

test_house_may_deny if {
	denied := _decision(_granted, {"deny": {"closed"}})
	denied.allow == false
	denied.reasons == {{"code": "closed", "party": "house"}}
	denied.scopes == set()
}

test_unsound_floor_refuses if _decision({"allow": true}, {}) == {
	"allow": false,
	"reasons": {{"code": "policy_error", "party": "floor"}},
	"scopes": set(),
	"resource": "",
}

_decision(floor, house) := decision if {
	decision := access.decision with input as {"floor": floor, "house": house}
}
