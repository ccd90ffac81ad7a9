# METADATA
# title: What is issued, and what is refused
# scope: package
package floor.issue_test

import rego.v2

import data.floor.fixtures
import data.floor.issue

test_agent_gets_a_token_of_its_own if {
	issue.decision == {
		"allow": true, "reasons": set(), "scopes": {"sales:read"},
		"resource": "rsv_sales", "audience": "https://sales", "index": 0, "ttl": 300, "ends": 0, "valid_until": 1000,
		"subject": "agt_reporter", "chain": [], "consented": false,
		"removed": set(), "narrows": false, "refreshable": false, "id_token": {}, "approved": false, "details": set(), "through": {},
	} with input as fixtures.credentials
}

test_service_gets_a_token_for_the_subject_it_serves if {
	issue.decision == {
		"allow": true, "reasons": set(), "scopes": {"sales:read"},
		"resource": "rsv_sales", "audience": "https://sales", "index": 0, "ttl": 300, "ends": 0, "valid_until": 1000,
		"subject": "agt_root", "chain": ["agt_relay", "agt_near", "agt_far"], "consented": false,
		"removed": set(), "narrows": false, "refreshable": false, "id_token": {}, "approved": false, "details": set(), "through": {},
	} with input as fixtures.relay
}

test_assistant_gets_a_token_for_its_user if {
	issue.decision == {
		"allow": true, "reasons": set(), "scopes": {"sales:read"},
		"resource": "rsv_sales", "audience": "https://sales", "index": 0, "ttl": 300, "ends": 0, "valid_until": 1000,
		"subject": "usr_joe", "chain": ["agt_assistant"], "consented": true,
		"removed": set(), "narrows": false, "refreshable": false, "id_token": {}, "approved": false, "details": set(), "through": {},
	} with input as fixtures.assist
}

test_client_gets_a_token_for_the_user_who_let_it_act if {
	every refreshable, question in {false: fixtures.code, true: fixtures.refresh} {
		issue.decision == {
			"allow": true, "reasons": set(), "scopes": {"sales:read"},
			"resource": "rsv_sales", "audience": "https://sales", "index": 0, "ttl": 300, "ends": 0, "valid_until": 1000,
			"subject": "usr_joe", "chain": ["agt_assistant"], "consented": true,
			"removed": set(), "narrows": true, "refreshable": refreshable, "id_token": {}, "approved": false, "details": set(), "through": {},
		} with input as question
	}
}

test_what_a_person_granted_goes_on_for_who_was_set_up_for_it if {
	issue.decision.refreshable == true with input as fixtures.refresh
	issue.decision.refreshable == false with input as fixtures.code
	both := fixtures.but(fixtures.code, "client/grant_types", ["authorization_code", "refresh_token"])
	issue.decision.refreshable == true with input as both
	machine := fixtures.but(fixtures.credentials, "client/grant_types", ["client_credentials", "refresh_token"])
	issue.decision.refreshable == false with input as machine
}

test_what_a_person_granted_is_narrowed_to_what_is_left if {
	question := fixtures.but(fixtures.code, "request/scopes", ["sales:read", "sales:export"])
	d := issue.decision with input as question
	d.allow
	d.scopes == {"sales:read"}
	{[r.scope, r.code] | some r in d.removed} == {["sales:export", code] | some code in [
		"scope_unknown", "scope_not_held",
		"scope_not_consented", "scope_not_authorized",
	]}
}

test_nothing_left_of_what_was_asked_is_a_refusal_that_says_why if {
	_codes(fixtures.but(fixtures.refresh, "client/scopes", {})) == {"scope_not_held"}
	d := issue.decision with input as fixtures.but(fixtures.refresh, "client/scopes", {})
	d.removed == set()
}

test_nothing_left_of_all_that_was_granted_ends_it if {
	question := fixtures.but(fixtures.refresh, "request/scopes", [])
	_codes(question) == set()
	_codes(fixtures.but(question, "consent/revoked", true)) == {"nothing_left", "scope_not_consented"}
}

test_public_client_proves_that_it_is_the_one_that_began if {
	every question in [fixtures.code, fixtures.refresh] {
		bare := fixtures.but(question, "credential", {"id": "", "method": "none"})
		_codes(bare) == {"credential_unknown"}
		public := fixtures.plus(bare, "client/public", true)
		_codes(public) == set()
		_codes(fixtures.but(public, "authorization/pkce", "missing")) == {"pkce_failed", "credential_unknown"}
	}
}

test_public_client_has_no_authority_of_its_own if {
	bare := fixtures.but(fixtures.credentials, "credential", {"id": "", "method": "none"})
	_codes(fixtures.plus(bare, "client/public", true)) == {"credential_unknown"}
}

test_no_token_is_presented_with_a_code if {
	"token_unexpected" in _codes(fixtures.plus(fixtures.code, "parent", fixtures.assist.parent))
}

test_token_that_is_cut_short_says_when_it_ends if {
	cut := fixtures.but(fixtures.assist, "parent/exp", 1100)
	issue.decision.ttl == 100 with input as cut
	issue.decision.ends == 1100 with input as cut
}

test_one_scope_too_many_refuses_the_request if {
	_codes(fixtures.but(fixtures.credentials, "request/scopes", ["sales:read", "sales:export"])) == {
		"scope_unknown", "scope_not_held",
	}
}

test_grant_type_must_be_allowed_to_the_client if {
	question := fixtures.but(fixtures.credentials, "client/grant_types", ["password"])
	{
		"code": "grant_type_not_allowed",
		"party": "client",
		"id": "agt_reporter",
		"value": "client_credentials",
	} in _reasons(question)
}

test_unknown_action_is_refused if {
	question := fixtures.but(fixtures.relay, "action/name", "issue:access_token:password")
	_codes(question) == {"action_unknown", "grant_type_not_allowed"}
}

test_agent_asking_for_itself_presents_no_token if {
	question := fixtures.plus(fixtures.credentials, "parent", fixtures.relay.parent)
	"token_unexpected" in _codes(question)
}

test_agent_asking_for_itself_presents_no_token_of_another_kind if {
	question := fixtures.plus(fixtures.credentials, "token", fixtures.relay.parent)
	"token_unexpected" in _codes(question)
}

test_client_must_have_proved_itself if {
	_codes(fixtures.but(fixtures.credentials, "credential/id", "")) == {"credential_unknown"}
}

test_client_must_have_proved_itself_in_a_known_way if {
	_codes(fixtures.but(fixtures.credentials, "credential/method", "none")) == {"credential_unknown"}
}

test_dead_token_is_not_exchanged if {
	_codes(fixtures.but(fixtures.relay, "parent/revoked", true)) == {"token_revoked"}
}

test_exchange_without_a_token_is_refused if {
	codes := _codes(fixtures.without(fixtures.relay, "parent"))
	codes & {"token_unusable", "subject_unknown", "chain_unknown", "not_entitled"} == {
		"token_unusable", "subject_unknown", "chain_unknown", "not_entitled",
	}
}

test_refusals_of_every_part_are_gathered if {
	_codes(json.patch(fixtures.relay, [
		{"op": "replace", "path": "client/status", "value": "suspended"},
		{"op": "replace", "path": "resources/0/status", "value": "suspended"},
		{"op": "replace", "path": "resources/0/max_depth", "value": 1},
		{"op": "replace", "path": "resources/0/token_ttl", "value": 0},
		{"op": "replace", "path": "parent/scopes", "value": {}},
	])) == {"client_inactive", "resource_inactive", "chain_too_deep", "lifetime_exhausted", "scope_not_in_parent"}
}

test_question_without_facts_is_refused_not_unanswered if {
	issue.decision.allow == false with input as {}
}

_reasons(question) := reasons if {
	reasons := issue.decision.reasons with input as question
}

_codes(question) := fixtures.codes(_reasons(question))
