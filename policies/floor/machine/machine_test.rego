# METADATA
# title: What a person lets a machine do by itself
# scope: package
package floor.machine_test

import rego.v2

import data.floor.approval
import data.floor.authorize
import data.floor.fixtures
import data.floor.issue

test_owner_is_asked if {
	d := _decide(fixtures.plea)
	d.allow
	d.scopes == {"sales:read"}
	d.until == 4600
	_codes(fixtures.relay_plea) == set()
}

test_so_is_whom_an_administrator_listed if {
	_codes(fixtures.but(fixtures.plea, "approval/approver/known", "listed")) == set()
	_codes(fixtures.but(fixtures.relay_plea, "approval/approver/known", "listed")) == set()
}

test_nobody_else_is_asked_about_an_agent if {
	every question in [fixtures.plea, fixtures.relay_plea] {
		every known in ["", "consent", null] {
			"user_unknown" in _codes(fixtures.but(question, "approval/approver/known", known))
		}
		"user_unknown" in _codes(fixtures.without(question, "approval/approver"))
		"user_unknown" in _codes(fixtures.but(question, "subject/kind", "agent"))
	}
}

test_who_is_spoken_for_is_asked if {
	_codes(fixtures.errand) == set()
	owner := json.patch(fixtures.errand, [
		{"op": "replace", "path": "subject/id", "value": "usr_owner"},
		{"op": "replace", "path": "approval/subject", "value": "usr_owner"},
		{"op": "replace", "path": "approval/approver/known", "value": "owner"},
	])
	_codes(owner) == {"user_unknown", "approval_foreign"}
	"user_unknown" in _codes(fixtures.without(fixtures.errand, "represented"))
}

test_rights_of_whoever_is_asked_do_not_matter if {
	_codes(fixtures.but(fixtures.plea, "subject/scopes", {})) == set()
	_codes(fixtures.but(fixtures.plea_heard, "subject/scopes", {})) == set()
}

test_rights_of_whoever_is_spoken_for_do if {
	every question in [fixtures.errand, fixtures.errand_seen, fixtures.errand_heard] {
		_codes(fixtures.but(question, "represented/scopes", {})) == {"scope_not_held"}
	}
}

test_people_are_not_worn_down if {
	_codes(fixtures.but(fixtures.plea, "acquaintance/pending", 3)) == {"approvals_waiting"}
	_codes(fixtures.but(fixtures.plea, "acquaintance/reached", false)) == {"user_unreachable"}
	_codes(fixtures.but(fixtures.errand, "acquaintance/denials", 3)) == {"denied_lately"}
}

test_nobody_is_asked_for_what_would_be_refused if {
	_codes(fixtures.but(fixtures.plea, "client/scopes", {})) == {"scope_not_held", "nothing_to_offer"}
	_codes(fixtures.but(fixtures.plea, "client/owner/status", "suspended")) == {"client_owner_inactive"}
	_codes(fixtures.but(fixtures.plea, "client/grant_types", ["urn:openid:params:grant-type:ciba"])) == {"grant_type_not_allowed"}
	every question in [fixtures.errand, fixtures.errand_seen, fixtures.errand_heard] {
		_codes(fixtures.but(question, "parent/revoked", true)) == {"token_revoked"}
		_codes(fixtures.but(question, "parent/exp", 1000)) == {"token_expired", "lifetime_exhausted"}
		_codes(fixtures.but(question, "represented/status", "suspended")) == {"subject_inactive"}
		_codes(fixtures.but(question, "consent/revoked", true)) == {"scope_not_consented"}
	}
	_codes(fixtures.but(fixtures.relay_plea, "resources/0/max_depth", 2)) == {"chain_too_deep"}
	_codes(fixtures.but(fixtures.relay_plea, "represented/owner/status", "suspended")) == {"subject_owner_inactive"}
	_codes(fixtures.but(fixtures.relay_plea, "chain/0/status", "suspended")) == {"actor_inactive"}
	"token_unusable" in _codes(fixtures.without(fixtures.errand, "parent"))
}

test_one_token_is_asked_for if {
	several := object.union(fixtures.plea, {
		"request": {"resources": ["https://sales", "https://other"]},
		"resources": [
			fixtures.plea.resources[0],
			object.union(fixtures.plea.resources[0], {"id": "rsv_other", "identifier": "https://other"}),
		],
	})
	"resource_several" in _codes(several)
}

test_client_proves_itself_when_it_asks if {
	unproven := {"id": "", "method": "none"}
	_codes(fixtures.but(fixtures.plea, "credential", unproven)) == {"credential_unknown"}
	_codes(fixtures.but(fixtures.plea_seen, "credential", unproven)) == set()
}

test_only_machine_grants_are_asked_for if {
	every other in ["authorization_code", "urn:openid:params:grant-type:ciba", "", null] {
		"action_unknown" in _codes(fixtures.but(fixtures.plea, "approval/grant_type", other))
	}
	"grant_type_not_allowed" in _codes(fixtures.without(fixtures.plea, "approval/grant_type"))
}

test_whoever_was_asked_looks_and_answers if {
	every question in [fixtures.plea_seen, fixtures.plea_heard, fixtures.errand_seen, fixtures.errand_heard] {
		_codes(question) == set()
		_codes(fixtures.but(question, "approval/client", "agt_other")) == {"approval_foreign"}
		_codes(fixtures.but(question, "approval/state", "used")) == {"approval_over"}
		"approval_foreign" in _codes(fixtures.but(question, "approval/subject", "usr_eve"))
	}
	_decide(fixtures.plea_heard).grants == {{"resource": "rsv_sales", "scope": "sales:read"}}
	_decide(fixtures.plea_heard).until == 2000
}

test_who_may_not_be_asked_any_more_does_not_answer if {
	every question in [fixtures.plea_seen, fixtures.plea_heard] {
		_codes(fixtures.but(question, "approval/approver/known", "")) == {"approval_foreign"}
	}
}

test_no_longer_than_an_hour if {
	_codes(fixtures.but(fixtures.plea_heard, "request/answer/until", 4600)) == set()
	_codes(fixtures.but(fixtures.plea_heard, "request/answer/until", 4601)) == {"until_out_of_bounds"}
}

test_what_was_approved_is_issued if {
	every question in [fixtures.pleaded, fixtures.sent, fixtures.relay_pleaded, fixtures.payment_pleaded] {
		_token(question).allow
		_token(question).approved
		_token(question).valid_until == 0
	}
	not _token(fixtures.credentials).approved
	_token(fixtures.credentials).allow
}

test_it_ends_with_the_approval if {
	d := _token(fixtures.but(fixtures.pleaded, "approval/until", 1100))
	d.ttl == 100
	d.ends == 1100
	_refused(fixtures.but(fixtures.pleaded, "approval/until", 1000)) == {"approval_over", "lifetime_exhausted"}
}

test_it_is_for_that_request if {
	every question in [fixtures.pleaded, fixtures.sent, fixtures.relay_pleaded] {
		_refused(fixtures.but(question, "approval/client", "agt_other")) == {"approval_foreign"}
		_refused(fixtures.but(question, "approval/kind", "ciba")) == {"approval_foreign"}
		_refused(fixtures.but(question, "approval/grant_type", "authorization_code")) == {"approval_foreign"}
		_refused(fixtures.without(question, "approval")) == {"approval_foreign"}
		_refused(fixtures.but(question, "approval/scopes", {"rsv_sales": ["sales:list"]})) == {"approval_exceeded"}
		_refused(fixtures.but(question, "approval/scopes", {"rsv_other": ["sales:read"]})) == {"approval_exceeded"}
		_refused(fixtures.plus(question, "approval/details", {"rsv_sales": [fixtures.less]})) == {"approval_exceeded"}
	}
	_refused(fixtures.plus(fixtures.pleaded, "approval/parent", "tok_1")) == {"approval_foreign"}
	_refused(fixtures.but(fixtures.sent, "approval/parent", "tok_2")) == {"approval_foreign"}
	_refused(fixtures.without(fixtures.sent, "approval/parent")) == {"approval_foreign"}
	_refused(fixtures.but(fixtures.payment_pleaded, "approval/details", {"rsv_sales": [fixtures.payment]})) == {"approval_exceeded"}
}

test_approval_for_one_grant_is_none_for_another if {
	swapped := fixtures.but(fixtures.pleaded, "approval/grant_type", fixtures.sent.approval.grant_type)
	_refused(swapped) == {"approval_foreign"}
	ciba := object.union(fixtures.approved, {"approval": {"kind": "machine", "grant_type": "client_credentials"}})
	"approval_foreign" in _refused(ciba)
}

test_answer_is_waited_for if {
	waiting := fixtures.but(fixtures.pleaded, "approval/state", "pending")
	_approval(waiting) == {"approval_pending"}
	_approval(fixtures.but(waiting, "approval/expires_at", 1000)) == {"approval_expired"}
	every state in ["denied", "cancelled", "", null] {
		_approval(fixtures.but(waiting, "approval/state", state)) == {"approval_denied"}
	}
	_approval(fixtures.but(waiting, "approval/state", "used")) == {"approval_used"}
	not _token(fixtures.but(waiting, "approval/state", "used")).allow
	not _token(waiting).allow
}

test_whoever_approved_it_could_do_so_now if {
	every question in [fixtures.pleaded, fixtures.sent] {
		_refused(fixtures.but(question, "approval/approver/status", "suspended")) == {"approver_gone"}
		_refused(fixtures.but(question, "approval/approver/expires_at", 1000)) == {"approver_gone"}
	}
	_refused(fixtures.but(fixtures.pleaded, "approval/approver/known", "")) == {"approver_gone"}
	_refused(fixtures.but(fixtures.relay_pleaded, "approval/approver/known", "")) == {"approver_gone"}
	_refused(fixtures.but(fixtures.sent, "approval/subject", "usr_eve")) == {"approver_gone"}
}

test_everything_else_is_as_ever if {
	_refused(fixtures.but(fixtures.pleaded, "client/scopes", {})) == {"scope_not_held"}
	_refused(fixtures.but(fixtures.sent, "parent/revoked", true)) == {"token_revoked"}
}

_decide(question) := d if d := authorize.decision with input as question

_token(question) := d if d := issue.decision with input as question

_codes(question) := fixtures.codes(_decide(question).reasons)

_refused(question) := fixtures.codes(_token(question).reasons)

_approval(question) := codes if codes := fixtures.codes(approval.reasons) with input as question
