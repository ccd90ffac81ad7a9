# METADATA
# title: What is left of what a client asks a user for
# scope: package
package compose.authorize_test

import rego.v2

import data.compose.authorize

_read := {"resource": "rsv_sales", "scope": "sales:read"}

_list := {"resource": "rsv_sales", "scope": "sales:list"}

_floor := {
	"allow": true, "reasons": set(), "ask": "consent", "sign_in": set(), "silent": false, "answers": false, "now": 1000, "until": 9000, "once": {"rsv_sales"},
	"scopes": {"sales:read", "sales:list"}, "grants": {_read}, "detail_offers": set(), "detail_grants": set(),
	"offers": {
		object.union(_read, {"risk": "low", "state": "granted", "reasons": set()}),
		object.union(_list, {"risk": "low", "state": "offered", "reasons": set()}),
	},
}

_reply := object.union(_floor, {"ask": "nothing", "answers": true, "grants": {_list}, "until": 5000})

_quiet := object.union(_floor, {"ask": "nothing"})

test_silent_house_leaves_the_floor_as_it_is if {
	every floor in [_floor, _reply] {
		_decision(floor, {}) == object.remove(floor, ["silent", "answers", "now", "scopes"])
	}
}

test_refusal_of_the_floor_stands if {
	refused := object.union(_floor, {"allow": false, "reasons": {{"code": "client_inactive", "party": "client"}}})
	_codes(refused, {}) == {"client_inactive"}
}

test_unsound_floor_refuses if _codes(object.union(_floor, {"allow": false}), {}) == {"policy_error"}

test_house_may_deny if _codes(_floor, {"deny": {"closed"}}) == {"closed"}

test_malformed_house_refuses if _codes(_floor, {"deny": true}) == {"policy_error"}

test_house_may_keep_a_scope_back if {
	d := _decision(_floor, {"remove": {"sales:list"}})
	d.allow
	{[o.scope, o.state, count(o.reasons)] | some o in d.offers} == {["sales:read", "granted", 0], ["sales:list", "greyed", 1]}
	d.grants == {_read}
}

test_house_may_keep_back_what_was_agreed_to if {
	d := _decision(_floor, {"remove": {"sales:read"}})
	d.grants == set()
	_codes(_quiet, {"remove": {"sales:read"}}) == {"scope_removed"}
}

_pays := {"resource": "rsv_sales", "index": 0, "type": "payment", "scope": "sales:list", "risk": "low", "state": "offered", "reasons": set()}

_moves := {"resource": "rsv_sales", "index": 1, "type": "transfer", "scope": "sales:list", "risk": "low", "state": "offered", "reasons": set()}

test_house_may_keep_details_back if {
	both := object.union(_floor, {"detail_offers": {_pays, _moves}})
	d := _decision(both, {"remove": {{"details": "payment"}}})
	{o.index: o.state | some o in d.detail_offers} == {0: "greyed", 1: "offered"}
	{o.scope: o.state | some o in d.offers} == {"sales:read": "granted", "sales:list": "offered"}
	all := _decision(both, {"remove": {{"details": "payment"}, {"details": "transfer"}}})
	{o.scope: o.state | some o in all.offers} == {"sales:read": "granted", "sales:list": "greyed"}
	scope := _decision(both, {"remove": {"sales:list"}})
	{o.index: o.state | some o in scope.detail_offers} == {0: "greyed", 1: "greyed"}
}

test_user_cannot_allow_details_that_the_house_keeps_back if {
	floor := object.union(_reply, {"detail_offers": {_pays, _moves}, "detail_grants": {{"resource": "rsv_sales", "index": 0}}})
	kept := _decision(floor, {"remove": {{"details": "transfer"}}})
	kept.allow
	kept.detail_grants == {{"resource": "rsv_sales", "index": 0}}
	_codes(floor, {"remove": {{"details": "payment"}}}) == {"details_removed"}
	_decision(floor, {"remove": {{"details": "payment"}}}).detail_grants == set()
}

test_page_with_nothing_to_tick_is_not_shown if {
	fresh := object.union(_floor, {"grants": set()})
	_codes(fresh, {"remove": {"sales:read", "sales:list"}}) == {"scope_removed"}
	_codes(fresh, {"remove": {"sales:read"}}) == set()
}

test_user_does_not_allow_what_the_house_keeps_back if _codes(_reply, {"remove": {"sales:list"}}) == {"scope_removed"}

test_part_of_an_answer_is_no_answer if {
	both := object.union(_reply, {"grants": {_read, _list}})
	_codes(both, {"remove": {"sales:list"}}) == {"scope_removed"}
}

test_house_may_bring_the_end_nearer if {
	_decision(_floor, {"max_ttl": 60}).until == 1060
	_decision(_floor, {"max_ttl": 60.9}).until == 1060
	_decision(_floor, {"max_ttl": 60000}).until == 9000
}

test_answer_keeps_to_the_end_the_house_sets if {
	_codes(_reply, {"max_ttl": 60}) == {"until_out_of_bounds"}
	_codes(_reply, {"max_ttl": 4000}) == set()
	_decision(_reply, {"max_ttl": 4000}).until == 5000
}

test_house_may_have_the_user_asked if {
	_decision(_quiet, {"require": {"consent"}}).ask == "consent"
	_codes(object.union(_quiet, {"silent": true}), {"require": {"consent"}}) == {"consent_required"}
	_decision(_reply, {"require": {"consent"}}).ask == "nothing"
}

test_nobody_is_at_hand_to_approve if {
	_codes(_floor, {"require": {"approval"}}) == {"approval_required"}
	_codes(_floor, {"require": {"step_up"}}) == {"step_up_required"}
	_codes(object.union(_floor, {"away": true}), {"require": {"approval"}}) == set()
}

_decision(floor, house) := decision if {
	decision := authorize.decision with input as {"floor": floor, "house": house}
}

_codes(floor, house) := {r.code | some r in _decision(floor, house).reasons}
