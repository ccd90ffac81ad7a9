# METADATA
# title: Details a user is asked about, and what they may answer
# scope: package
package floor.offer_details_test

import rego.v2

import data.floor.authorize
import data.floor.fixtures

test_details_are_offered_by_their_place if {
	d := _decide(fixtures.visit_paying)
	d.allow
	d.ask == "consent"
	_states(d) == {0: "offered", 1: "offered"}
	d.detail_grants == set()
	some first in d.detail_offers
	first.index == 0
	first == {
		"resource": "rsv_sales", "index": 0, "type": "payment", "scope": "sales:list", "risk": "low",
		"state": "offered", "reasons": set(),
	}
}

test_what_was_agreed_to_covers_what_is_less if {
	question := _agreed([fixtures.less])
	_states(_decide(question)) == {0: "offered", 1: "granted"}
	_decide(question).detail_grants == {{"resource": "rsv_sales", "index": 1}}
	quiet := _agreed([fixtures.payment])
	_states(_decide(quiet)) == {0: "granted", 1: "granted"}
	_decide(quiet).ask == "nothing"
	_decide(quiet).grants == {{"resource": "rsv_sales", "scope": "sales:read"}, {"resource": "rsv_sales", "scope": "sales:list"}}
}

test_consent_counts_while_it_is_alive if {
	every fact, value in {
		"revoked": true, "expires_at": 1000, "redirects_ok": false, "subject": "usr_other", "client": "agt_other", "resource": "rsv_other",
	} {
		question := fixtures.but(_agreed([fixtures.payment]), sprintf("consents/0/%s", [fact]), value)
		_states(_decide(question)) == {0: "offered", 1: "offered"}
	}
}

test_unknown_type_is_told_to_the_client if {
	every question in [
		fixtures.without(fixtures.visit_paying, "resources/0/types"),
		fixtures.but(fixtures.visit_paying, "request/details/0/type", "transfer"),
		fixtures.but(fixtures.visit_paying, "resources/0/types/payment/risk", "unheard"),
		fixtures.without(fixtures.visit_paying, "request/details/0/type"),
	] {
		fixtures.codes(_decide(question).reasons) == {"details_type_unknown"}
	}
}

test_details_need_their_scope if {
	question := fixtures.but(fixtures.visit_paying, "request/scopes", ["sales:read"])
	d := _decide(question)
	_states(d) == {0: "greyed", 1: "greyed"}
	{fixtures.codes(o.reasons) | some o in d.detail_offers} == {{"details_scope_missing"}}
	lacking := fixtures.but(fixtures.visit_paying, "subject/scopes", {"rsv_sales": {"sales:read": ["rol_1"]}})
	_states(_decide(lacking)) == {0: "greyed", 1: "greyed"}
}

test_what_is_risky_is_not_offered_to_a_device_and_its_scope_neither if {
	asked := object.union(fixtures.visit_paying, {"approval": object.union(fixtures.look.approval, {"kind": "device"})})
	_states(_decide(asked)) == {0: "offered", 1: "offered"}
	d := _decide(fixtures.but(asked, "resources/0/types/payment/risk", "high"))
	{fixtures.codes(o.reasons) | some o in d.detail_offers} == {{"approval_required", "details_scope_missing"}}
	{o.scope: fixtures.codes(o.reasons) | some o in d.offers; o.state == "greyed"} == {"sales:list": {"details_missing"}}
}

test_a_scope_is_offered_for_some_of_its_details if {
	mixed := object.union(fixtures.visit_paying, {
		"request": {"details": [fixtures.payment, {"type": "salary"}]},
		"approval": object.union(fixtures.look.approval, {"kind": "device"}),
		"resources": [object.union(fixtures.visit_paying.resources[0], {"types": {
			"payment": fixtures.visit_paying.resources[0].types.payment,
			"salary": {"scope": "sales:list", "risk": "high", "narrow": {}},
		}})],
	})
	_states(_decide(mixed)) == {0: "offered", 1: "greyed"}
}

test_what_is_risky_is_asked_each_time_and_needs_a_fresh_sign_in if {
	question := fixtures.but(_agreed([fixtures.payment]), "resources/0/types/payment/risk", "high")
	d := _decide(fixtures.but(question, "session/auth_time", 990))
	_states(d) == {0: "offered", 1: "offered"}
	d.ask == "consent"
	old := object.union(question, {"session": {"auth_time": 600}})
	_decide(old).sign_in == {"risk"}
	reply := fixtures.but(fixtures.reply_paying, "resources/0/types/payment/risk", "high")
	_decide(object.union(reply, {"session": {"auth_time": 600}})).sign_in == {"risk"}
	_decide(reply).until == 2000
	long := fixtures.but(reply, "request/answer/until", 8000)
	_decide(long).until == 4600
}

test_one_who_is_elsewhere_is_asked_each_time if {
	question := object.union(fixtures.look, {
		"request": {"details": [fixtures.payment]},
		"resources": fixtures.visit_paying.resources,
		"consents": _agreed([fixtures.payment]).consents,
	})
	d := _decide(question)
	d.allow
	_states(d) == {0: "offered"}
}

test_user_ticks_what_is_offered if {
	d := _decide(fixtures.reply_paying)
	d.allow
	d.grants == {{"resource": "rsv_sales", "scope": "sales:list"}}
	d.detail_grants == {{"resource": "rsv_sales", "index": 0}}
}

test_scope_without_its_details_is_not_granted if {
	every ticked in [[], null] {
		question := fixtures.but(fixtures.reply_paying, "request/answer/details", ticked)
		fixtures.codes(_decide(question).reasons) == {"nothing_ticked"}
	}
	other := fixtures.but(fixtures.reply_paying, "request/answer/scopes", [
		{"resource": "rsv_sales", "scope": "sales:list"}, {"resource": "rsv_sales", "scope": "sales:read"},
	])
	d := _decide(fixtures.but(other, "request/answer/details", []))
	d.allow
	d.grants == {{"resource": "rsv_sales", "scope": "sales:read"}}
}

test_details_without_their_scope_are_not_granted if {
	question := fixtures.but(fixtures.reply_paying, "request/answer/scopes", [{"resource": "rsv_sales", "scope": "sales:read"}])
	d := _decide(question)
	d.allow
	d.detail_grants == set()
	d.grants == {{"resource": "rsv_sales", "scope": "sales:read"}}
}

test_user_ticks_nothing_else if {
	every tick in [{"resource": "rsv_sales", "index": 2}, {"resource": "rsv_other", "index": 0}, {"resource": "rsv_sales", "index": "0"}, {}] {
		question := fixtures.but(fixtures.reply_paying, "request/answer/details", [{"resource": "rsv_sales", "index": 0}, tick])
		_refused(question, tick)
	}
	risky := object.union(
		fixtures.but(fixtures.reply_paying, "resources/0/types/payment/risk", "high"),
		{"approval": object.union(fixtures.look.approval, {"kind": "device"})},
	)
	"details_not_offered" in fixtures.codes(_decide(risky).reasons)
}

# What is no tick at all grants nothing.
_refused(question, {}) if _decide(question).detail_grants == {{"resource": "rsv_sales", "index": 0}}

_refused(question, tick) if {
	tick != {}
	"details_not_offered" in fixtures.codes(_decide(question).reasons)
}

_states(d) := {o.index: o.state | some o in d.detail_offers}

_agreed(list) := object.union(fixtures.visit_paying, {"consents": [object.union(
	fixtures.visit_paying.consents[0],
	{"scopes": {"sales:read": true, "sales:list": true}, "details": list},
)]})

_decide(question) := d if d := authorize.decision with input as question
