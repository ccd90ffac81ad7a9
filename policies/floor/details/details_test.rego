# METADATA
# title: What of authorization details is granted
# scope: package
package floor.details_test

import rego.v2

import data.floor.details
import data.floor.fixtures
import data.floor.introspect
import data.floor.issue

_first := [fixtures.code_paying, fixtures.refresh_paying]

_machine := [_clean(fixtures.assist_paying), _alone(fixtures.relay_paying)]

_every := array.concat(array.concat(_first, _machine), [_begun(fixtures.credentials_paying)])

test_what_is_covered_is_granted if {
	every question in _every {
		d := issue.decision with input as question
		d.allow
		d.details == {fixtures.less}
		d.through == {"payment": "sales:read"}
	}
}

test_who_names_none_gets_what_is_presented if {
	every question in array.concat(_first, _machine) {
		every asked in [fixtures.without(question, "request/details"), fixtures.but(question, "request/details", [])] {
			d := issue.decision with input as asked
			d.allow
			d.details == {fixtures.payment}
		}
	}
}

test_nothing_asked_and_nothing_presented_is_nothing if {
	question := fixtures.without(_begun(fixtures.credentials_paying), "request/details")
	d := issue.decision with input as question
	d.allow
	d.details == set()
}

test_what_is_for_another_service_stays_there if {
	question := fixtures.but(_clean(fixtures.assist_paying), "parent/aud/id", "rsv_relay")
	d := issue.decision with input as fixtures.without(question, "request/details")
	d.allow
	d.details == set()
	_codes(question) == {"details_not_covered", "details_missing"}
}

test_each_party_must_cover_it if {
	every question in _first {
		_lacking(question, "consent/details") == {"consent"}
		_lacking(question, "authorization/details") == {"grant"}
	}
	_lacking(_clean(fixtures.assist_paying), "consent/details") == {"consent"}
	_lacking(_clean(fixtures.assist_paying), "parent/details") == {"parent"}
	_lacking(_alone(fixtures.relay_paying), "parent/details") == {"parent"}
}

test_consent_must_be_alive_and_for_this_service if {
	every fact, value in {"consent/revoked": true, "consent/expires_at": 1000, "consent/redirects_ok": false, "consent/resource": "rsv_other"} {
		every question in [fixtures.code_paying, _clean(fixtures.assist_paying)] {
			"details_not_covered" in _codes(fixtures.but(question, fact, value))
		}
	}
}

test_machine_is_told_which_party_lacks_it if {
	question := fixtures.but(_clean(fixtures.assist_paying), "request/details", [object.union(fixtures.less, {"amount": "51"})])
	d := issue.decision with input as question
	{[r.party, r.id, r.value] | some r in d.reasons; r.code == "details_not_covered"} == {
		["consent", "usr_joe", "payment"], ["parent", "tok_1", "payment"],
	}
}

test_person_s_grant_is_narrowed if {
	more := object.union(fixtures.less, {"payee": "Eve"})
	every question in _first {
		d := issue.decision with input as fixtures.but(question, "request/details", [more, fixtures.less])
		d.allow
		d.details == {fixtures.less}
		fixtures.codes(d.removed) == {"details_not_covered"}
		_codes(fixtures.but(question, "request/details", [more])) == {"details_not_covered", "details_missing"}
	}
}

test_a_scope_falls_with_its_details if {
	wide := _wider(fixtures.code_paying)
	question := fixtures.but(wide, "authorization/details", {})
	d := issue.decision with input as fixtures.but(wide, "request/details", [])
	d.allow
	d.scopes == {"sales:read", "sales:list"}
	_codes(question) == {"details_not_covered"}
	_codes(fixtures.but(fixtures.but(fixtures.code_paying, "authorization/details", {}), "request/scopes", [])) == {
		"details_not_covered", "details_missing",
	}
	left := issue.decision with input as fixtures.but(fixtures.without(wide, "request/details"), "consent/details", [])
	left.allow
	left.scopes == {"sales:list"}
	fixtures.codes(left.removed) == {"details_missing", "details_not_covered"}
}

test_details_fall_with_their_scope if {
	question := fixtures.but(_wider(fixtures.code_paying), "request/scopes", ["sales:list"])
	d := issue.decision with input as fixtures.without(question, "request/details")
	d.allow
	d.details == set()
	fixtures.codes(d.removed) == {"details_scope_missing"}
	_codes(question) == {"details_scope_missing"}
}

test_type_must_be_known_there if {
	every question in _every {
		every fact, value in {
			"resources/0/types/payment/risk": "unheard", "resources/0/types": {}, "request/details/0/type": "transfer",
		} {
			"details_type_unknown" in _codes(fixtures.but(question, fact, value))
		}
		"details_type_unknown" in _codes(fixtures.without(question, "resources/0/types"))
		"details_type_unknown" in _codes(fixtures.without(question, "request/details/0/type"))
	}
	"details_type_unknown" in _codes(fixtures.without(fixtures.without(fixtures.code_paying, "resources/0/types"), "request/details"))
	"details_type_unknown" in _codes(fixtures.but(fixtures.code_paying, "resources", []))
}

test_what_is_risky_is_approved if {
	every question in [fixtures.code_paying, _clean(fixtures.assist_paying)] {
		risky := fixtures.but(question, "resources/0/types/payment/risk", "high")
		"approval_required" in _codes(risky)
		"approval_required" in _codes(fixtures.plus(risky, "consent/approval", ""))
		"approval_required" in _codes(fixtures.plus(risky, "consent/approval", true))
		_codes(fixtures.plus(risky, "consent/approval", "apr_1")) == set()
	}
	again := fixtures.but(fixtures.refresh_paying, "resources/0/types/payment/risk", "high")
	"approval_required" in _codes(fixtures.plus(again, "consent/approval", "apr_1"))
	_codes(fixtures.but(_alone(fixtures.relay_paying), "resources/0/types/payment/risk", "high")) == set()
}

test_narrower_is_covered if {
	every change in [
		{}, {"amount": "50"}, {"amount": "50.000"}, {"amount": "0"}, {"amount": "49.999999"}, {"purposes": ["rent", "food"]},
		{"purposes": ["food", "rent"]}, {"purposes": ["rent"]}, {"count": 3}, {"count": 0},
	] {
		_covers(object.union(fixtures.payment, change))
	}
}

test_anything_else_is_not if {
	every change in [
		{"amount": "50.01"}, {"amount": "050"}, {"amount": "+5"}, {"amount": "-5"}, {"amount": "5e0"}, {"amount": " 5"}, {"amount": "5."},
		{"amount": "0000000000049"}, {"amount": "1234567890123"}, {"amount": "1.1234567"}, {"amount": 5}, {"amount": null}, {"amount": ["5"]},
		{"payee": "bob"}, {"payee": ["Bob"]}, {"purposes": []}, {"purposes": ["rent", "fun"]}, {"purposes": "rent"}, {"purposes": {"rent": "rent"}},
		{"count": 4}, {"count": -1}, {"count": "2"}, {"more": true}, {"type": "transfer"},
	] {
		not _covers(object.union(fixtures.payment, change))
	}
	every field in ["amount", "payee", "purposes", "count", "type"] {
		not _covers(object.remove(fixtures.payment, [field]))
		not details.covers(fixtures.code_paying.resources[0].types, fixtures.payment, object.remove(fixtures.payment, [field]))
	}
}

test_bounds_of_another_kind_bound_nothing if {
	kinds := fixtures.code_paying.resources[0].types
	not details.covers(kinds, fixtures.less, object.union(fixtures.payment, {"amount": 50}))
	not details.covers(kinds, fixtures.less, object.union(fixtures.payment, {"amount": "much"}))
	not details.covers(kinds, fixtures.less, object.union(fixtures.payment, {"count": "3"}))
	not details.covers(kinds, fixtures.less, object.union(fixtures.payment, {"purposes": "rent, food"}))
	not details.covers({}, fixtures.less, fixtures.payment)
}

test_service_sees_what_is_still_agreed_to if {
	d := _seen(fixtures.inspection_paying)
	d.allow
	d.details == {fixtures.payment}
	every fact, value in {"consent/details": [], "consent/details/0/payee": "Eve"} {
		gone := _seen(fixtures.but(fixtures.inspection_paying, fact, value))
		fixtures.codes(gone.reasons) == {"nothing_left"}
		gone.details == set()
	}
}

test_service_sees_no_scope_without_its_details if {
	token := {"own": ["sales:read", "sales:list"]}
	wide := object.union(fixtures.inspection_paying, {
		"token": token,
		"subject": {"scopes": {"rsv_sales": {"sales:list": ["rol_1"]}}},
		"chain": [object.union(a, {"scopes": {"rsv_sales": {"sales:list": ["rol_1"]}}}) | some a in fixtures.inspection_paying.chain],
		"consent": {"reach": {"rsv_sales": {"sales:list": ["sales:list"]}}},
	})
	_seen(wide).scopes == {"sales:read", "sales:list"}
	_seen(fixtures.but(wide, "consent/details", [])).scopes == {"sales:list"}
}

test_service_sees_details_that_need_no_consent if {
	subject := object.union(fixtures.relay.subject, {"id": "usr_joe", "kind": "agent"})
	d := _seen(fixtures.without(fixtures.but(fixtures.inspection_paying, "subject", subject), "consent"))
	d.allow
	d.details == {fixtures.payment}
}

test_details_of_an_unknown_type_are_worth_nothing if {
	every fact, value in {"resources": [], "resources/0/types": {}, "resources/0/id": "rsv_other"} {
		"details_type_unknown" in fixtures.codes(_seen(fixtures.but(fixtures.inspection_paying, fact, value)).reasons)
	}
}

_seen(question) := d if d := introspect.decision with input as question

_codes(question) := codes if {
	d := issue.decision with input as question
	codes := fixtures.codes(d.reasons)
}

_lacking(question, fact) := {r.party | some r in d.reasons; r.code == "details_not_covered"} if {
	d := issue.decision with input as fixtures.without(question, fact)
}

_covers(d) if details.covers(fixtures.code_paying.resources[0].types, d, fixtures.payment)

# What the fixtures have of a person is not of a machine.
_clean(question) := fixtures.without(question, "authorization")

_alone(question) := json.remove(question, ["authorization", "consent"])

_begun(question) := json.remove(question, ["authorization", "consent"])

# The same, with another scope that has no details.
_wider(question) := object.union(question, {
	"request": {"scopes": ["sales:read", "sales:list"]},
	"client": {"scopes": {"rsv_sales": {"sales:list": ["rol_1"]}}},
	"subject": {"scopes": {"rsv_sales": {"sales:list": ["rol_1"]}}},
	"consent": {"scopes": {"sales:list": true}},
	"authorization": {"scopes": {"rsv_sales": {"sales:list": ["sales:list"]}}},
	"resources": [object.union(question.resources[0], {"scopes": {"sales:list": {"risk": "low"}}})],
})
