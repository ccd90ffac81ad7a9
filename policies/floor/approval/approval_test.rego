# METADATA
# title: What clients ask of people who are elsewhere
# scope: package
package floor.approval_test

import rego.v2

import data.floor.approval
import data.floor.authorize
import data.floor.fixtures
import data.floor.issue

test_client_asks_whom_it_knows if {
	every known in ["owner", "consent", "listed"] {
		d := _decide(fixtures.but(fixtures.question, "acquaintance/known", known))
		d.allow
		d.sign_in == set()
		d.grants == set()
	}
}

test_nobody_else_is_asked if {
	_only(fixtures.but(fixtures.question, "acquaintance/known", ""), "user_unknown")
	_only(fixtures.without(fixtures.question, "acquaintance"), "user_unknown")
	"user_unknown" in _codes(fixtures.but(fixtures.question, "subject/kind", "agent"))
	"user_unknown" in _codes(fixtures.without(fixtures.question, "subject"))
}

test_people_are_not_worn_down if {
	_only(fixtures.but(fixtures.question, "acquaintance/reached", false), "user_unreachable")
	_only(fixtures.but(fixtures.question, "acquaintance/pending", 3), "approvals_waiting")
	_only(fixtures.but(fixtures.question, "acquaintance/waiting", 20), "approvals_waiting")
	_only(fixtures.but(fixtures.question, "acquaintance/asked", 12), "asked_too_often")
	_only(fixtures.but(fixtures.question, "acquaintance/denials", 3), "denied_lately")
	_only(fixtures.but(fixtures.question, "acquaintance/denied_at", 941), "denied_lately")
	_only(fixtures.but(fixtures.question, "acquaintance/reported_at", 1), "reported_lately")
}

test_nobody_is_asked_without_their_code if {
	_codes(fixtures.but(fixtures.question, "acquaintance/user_code", "ok")) == set()
	_only(fixtures.but(fixtures.question, "acquaintance/user_code", "missing"), "user_code_missing")
	_only(fixtures.but(fixtures.question, "acquaintance/user_code", "wrong"), "user_code_wrong")
	_only(fixtures.without(fixtures.question, "acquaintance/user_code"), "user_code_wrong")
}

test_up_to_there_they_are_asked if {
	history := {"waiting": 19, "pending": 2, "asked": 11, "denials": 2, "denied_at": 940}
	_codes(object.union(fixtures.question, {"acquaintance": history})) == set()
}

test_device_asks_whoever_types_its_code if {
	_codes(_device(fixtures.question)) == set()
	_only(fixtures.but(_device(fixtures.question), "approval/subject", "usr_joe"), "approval_foreign")
	_codes(_typed(fixtures.look)) == set()
	_codes(_typed(fixtures.yes)) == set()
}

test_client_must_be_allowed_to_ask if {
	every question in [fixtures.question, _device(fixtures.question)] {
		_only(fixtures.but(question, "client/grant_types", ["authorization_code"]), "grant_type_not_allowed")
	}
}

test_client_is_told_that_nothing_could_be_offered if {
	_only(fixtures.but(fixtures.question, "subject/scopes", {}), "nothing_to_offer")
}

test_user_looks_and_answers if {
	d := _decide(fixtures.look)
	d.allow
	d.ask == "consent"
	d.away
	d.scopes == {"sales:read", "sales:list"}
	a := _decide(fixtures.yes)
	a.allow
	a.grants == {{"resource": "rsv_sales", "scope": "sales:list"}}
	a.until == 2000
}

test_nobody_answers_for_another if {
	every question in [fixtures.look, fixtures.yes] {
		_only(fixtures.but(question, "approval/subject", "usr_eve"), "approval_foreign")
		_only(fixtures.but(question, "approval/subject", ""), "approval_foreign")
		_only(fixtures.but(question, "approval/client", "agt_other"), "approval_foreign")
		"approval_foreign" in _codes(fixtures.without(question, "approval"))
	}
}

test_it_is_answered_once_and_in_time if {
	every question in [fixtures.look, fixtures.yes] {
		every state in ["approved", "denied", "cancelled", "", null] {
			_only(fixtures.but(question, "approval/state", state), "approval_over")
		}
		_only(fixtures.but(question, "approval/expires_at", 1000), "approval_over")
	}
}

test_whoever_answers_is_there if {
	_decide(fixtures.without(fixtures.look, "session")).sign_in == {"nobody"}
	_only(fixtures.without(fixtures.yes, "session"), "login_required")
}

test_sign_in_may_be_too_weak_for_it if {
	strong := fixtures.but(fixtures.look, "approval/acr_values", ["2"])
	_decide(strong).sign_in == {"acr"}
	_codes(fixtures.but(strong, "session/auth_time", 951)) == {"acr_unmet"}
	not "acr_unmet" in _codes(fixtures.but(strong, "session/auth_time", 950)) # a sign-in of the same second may have been before
	_codes(fixtures.but(strong, "session/acr", "2")) == set()
	_only(fixtures.but(fixtures.yes, "approval/acr_values", ["2"]), "login_required")
}

test_what_is_risky_takes_a_fresh_sign_in if {
	risky := fixtures.but(fixtures.yes, "resources/0/scopes/sales:list/risk", "high")
	long_ago := fixtures.but(risky, "session/auth_time", 699)
	_codes(risky) == set()
	_codes(fixtures.but(risky, "session/auth_time", 700)) == set()
	_only(long_ago, "login_required")
	_decide(long_ago).sign_in == {"risk"}
	_decide(fixtures.but(long_ago, "action/name", "approval:show")).sign_in == set()
	seen := fixtures.but(fixtures.look, "resources/0/scopes/sales:list/risk", "high")
	_decide(fixtures.but(seen, "session/auth_time", 699)).sign_in == set() # looking costs nothing
	other := [{"resource": "rsv_sales", "scope": "sales:read"}]
	_codes(fixtures.but(long_ago, "request/answer/scopes", other)) == set()
}

test_what_is_risky_counts_once if {
	_decide(fixtures.but(fixtures.yes, "resources/0/scopes/sales:list/risk", "high")).once == {"rsv_sales"}
	_decide(fixtures.but(fixtures.reply, "resources/0/scopes/sales:list/risk", "high")).once == {"rsv_sales"}
	_decide(fixtures.but(fixtures.reply, "resources/0/scopes/sales:read/risk", "high")).once == set()
	_decide(fixtures.reply).once == set()
}

test_what_is_risky_does_not_last if {
	risky := fixtures.but(fixtures.yes, "resources/0/scopes/sales:list/risk", "high")
	_decide(fixtures.but(risky, "request/answer/until", 9000)).until == 4600
	_decide(fixtures.but(risky, "request/answer/until", 1500)).until == 1500
}

test_what_is_risky_takes_a_fresh_sign_in_at_the_page_too if {
	risky := fixtures.but(fixtures.visit, "resources/0/scopes/sales:list/risk", "high")
	_decide(fixtures.but(risky, "session/auth_time", 699)).sign_in == {"risk"}
	_decide(fixtures.but(risky, "session/auth_time", 700)).sign_in == set()
	greyed := fixtures.without(risky, "client/scopes/rsv_sales/sales:list")
	_decide(fixtures.but(greyed, "session/auth_time", 699)).sign_in == set()
}

test_client_carries_out_what_was_approved if {
	_token(fixtures.approved).allow
	_token(fixtures.approved).approved
	not _token(fixtures.but(fixtures.code, "request/scopes", ["sales:list"])).approved
	device := object.union(fixtures.approved, {
		"action": {"name": "issue:access_token:device_code"},
		"client": {"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]},
		"approval": {"kind": "device"}, "authorization": {"kind": "device"},
	})
	_token(device).allow
	_token(fixtures.but(device, "approval/kind", "ciba")).reasons == {_foreign}
}

test_answer_is_waited_for if {
	waiting := fixtures.but(fixtures.without(fixtures.approved, "authorization"), "approval/state", "pending")
	_approval(waiting) == {"approval_pending"}
	_approval(fixtures.but(waiting, "approval/expires_at", 1000)) == {"approval_expired"}
	every state in ["denied", "cancelled", "", null] {
		_approval(fixtures.but(waiting, "approval/state", state)) == {"approval_denied"}
	}
	_approval(fixtures.but(waiting, "approval/client", "agt_other")) == {"approval_foreign"}
}

test_no_other_client_carries_it_out if {
	_foreign in _token(fixtures.but(fixtures.approved, "approval/client", "agt_other")).reasons
}

test_no_other_consent_carries_it if {
	every other in ["", "apr_2", null] {
		_token(fixtures.but(fixtures.approved, "consent/approval", other)).reasons == {_foreign}
	}
}

_foreign := {"code": "approval_foreign", "party": "approval", "id": "apr_1"}

_device(question) := object.union(object.remove(question, ["subject", "acquaintance"]), {
	"client": {"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]},
	"approval": {"kind": "device", "subject": ""},
})

_typed(question) := object.union(question, {
	"client": {"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]},
	"approval": {"kind": "device"},
})

_decide(question) := d if d := authorize.decision with input as question

_token(question) := d if d := issue.decision with input as question

_codes(question) := fixtures.codes(_decide(question).reasons)

_approval(question) := codes if codes := fixtures.codes(approval.reasons) with input as question

_only(question, code) if _codes(question) == {code}

test_what_is_pushed_is_not_handed_out if {
	_token(fixtures.pushed).allow
	_token(fixtures.but(fixtures.pushed, "credential", fixtures.approved.credential)).reasons == {_pushed}
	every delivery in ["poll", "ping", "", null] {
		_pushed in _token(fixtures.but(fixtures.pushed, "approval/delivery", delivery)).reasons
	}
	_token(fixtures.without(fixtures.approved, "approval/delivery")).reasons == {_pushed}
}

test_only_what_was_approved_is_pushed if {
	waiting := fixtures.but(fixtures.without(fixtures.pushed, "authorization"), "approval/state", "pending")
	_approval(waiting) == {"approval_pending"}
	_approval(fixtures.but(waiting, "approval/state", "denied")) == {"approval_denied"}
	_foreign in _token(fixtures.but(fixtures.pushed, "approval/client", "agt_other")).reasons
}

test_nothing_else_is_issued_without_a_credential if {
	every question in [fixtures.code, fixtures.refresh, fixtures.credentials] {
		unproven := fixtures.but(question, "credential", fixtures.pushed.credential)
		"credential_unknown" in fixtures.codes(_token(unproven).reasons)
	}
	device := object.union(fixtures.pushed, {
		"action": {"name": "issue:access_token:device_code"},
		"client": {"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]},
		"approval": {"kind": "device"}, "authorization": {"kind": "device"},
	})
	"credential_unknown" in fixtures.codes(_token(device).reasons)
}

_pushed := {"code": "approval_pushed", "party": "approval", "id": "apr_1"}
