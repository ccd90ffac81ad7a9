# METADATA
# title: What is left of an administrator's right
# scope: package
package compose.admin_test

import rego.v2

import data.compose.admin

_may := {"allow": true, "reasons": set()}

test_silent_house_leaves_the_floor_as_it_is if _decision(_may, {}) == _may

test_refusal_of_the_floor_stands if {
	refused := {"allow": false, "reasons": {{"code": "insufficient_scope", "party": "parent"}}}
	_decision(refused, {}) == refused
}

test_house_may_deny if {
	_decision(_may, {"deny": {"closed"}}).reasons == {{"code": "closed", "party": "house"}}
}

test_house_may_shorten_the_life_of_a_secret if {
	lives := object.union(_may, {"ttl": 100})
	_decision(lives, {}) == lives
	_decision(lives, {"max_ttl": 60.5}) == object.union(_may, {"ttl": 60})
	_decision(lives, {"max_ttl": 200}) == lives
	_decision(_may, {"max_ttl": 60}) == _may
	not _decision(lives, {"max_ttl": 0}).allow
	not _decision(lives, {"max_ttl": "long"}).allow
}

test_unsound_floor_refuses if _decision({"allow": true}, {}) == {
	"allow": false,
	"reasons": {{"code": "policy_error", "party": "floor"}},
}

_decision(floor, house) := decision if {
	decision := admin.decision with input as {"floor": floor, "house": house}
}
