# METADATA
# title: What is left of an introspection
# scope: package
package compose.introspect_test

import rego.v2

import data.compose.introspect

_seen := {"allow": true, "reasons": set(), "scopes": {"relay:run"}, "valid_until": 1000}

test_silent_house_leaves_the_floor_as_it_is if object.remove(_decision(_seen, {}), ["details"]) == _seen

test_details_are_seen if {
	_decision(object.union(_seen, {"details": set()}), {}) == _seen
	with_details := object.union(_seen, {"details": {{"type": "payment"}}})
	_decision(with_details, {}) == with_details
}

test_refusal_of_the_floor_stands if {
	refused := {"allow": false, "reasons": {{"code": "token_revoked", "party": "parent"}}, "scopes": set(), "valid_until": 0}
	_decision(refused, {}) == object.union(refused, {"details": set()})
}

test_house_may_deny if {
	_decision(_seen, {"deny": {"closed"}}).reasons == {{"code": "closed", "party": "house"}}
}

test_unsound_floor_refuses if _decision({"allow": true}, {}) == {
	"allow": false,
	"reasons": {{"code": "policy_error", "party": "floor"}},
	"scopes": set(),
	"valid_until": 0,
	"details": set(),
}

_decision(floor, house) := decision if {
	decision := introspect.decision with input as {"floor": floor, "house": house}
}
