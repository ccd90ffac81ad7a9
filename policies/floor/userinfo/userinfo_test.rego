# METADATA
# title: Who may see who a user is
# scope: package
package floor.userinfo_test

import rego.v2

import data.floor.fixtures
import data.floor.userinfo

test_application_sees_who_signed_in if {
	userinfo.decision == {
		"allow": true, "reasons": set(), "scopes": {"openid"}, "released": {"openid": {"sub"}},
	} with input as fixtures.acquaintance
}

test_claims_follow_the_scopes if {
	more := {"openid": ["rol_1"], "profile": ["rol_1"]}
	question := json.patch(fixtures.acquaintance, [{"op": "replace", "path": path, "value": more} |
		some path in ["client/scopes/rsv_openid", "subject/scopes/rsv_openid", "chain/0/scopes/rsv_openid"]
	])
	asked := fixtures.but(question, "token/own", ["openid", "profile"])
	agreed := fixtures.but(asked, "consent/reach/rsv_openid", {"openid": ["openid"], "profile": ["profile"]})
	userinfo.released == {"openid": {"sub"}, "profile": {"name", "preferred_username", "updated_at"}} with input as agreed
	userinfo.released == {"openid": {"sub"}} with input as asked
}

test_what_is_no_scope_of_ours_releases_nothing if {
	question := json.patch(fixtures.acquaintance, [{"op": "add", "path": path, "value": ["rol_1"]} |
		some path in [
			"client/scopes/rsv_openid/shoes", "subject/scopes/rsv_openid/shoes",
			"chain/0/scopes/rsv_openid/shoes", "consent/reach/rsv_openid/shoes",
		]
	])
	userinfo.released == {"openid": {"sub"}} with input as fixtures.but(question, "token/own", ["openid", "shoes"])
}

test_token_for_another_service_is_refused if {
	_codes(fixtures.but(fixtures.acquaintance, "token/aud/id", "rsv_sales")) == {"audience_mismatch"}
}

test_token_of_another_client_is_refused if {
	_codes(fixtures.but(fixtures.acquaintance, "token/client", "usr_joe")) == {"client_unknown"}
}

test_agent_is_nobody_to_sign_in if {
	agent := object.union(fixtures.relay.client, {"id": "usr_joe", "scopes": {"rsv_openid": {"openid": ["rol_1"]}}})
	_codes(fixtures.but(fixtures.acquaintance, "subject", agent)) == {"subject_not_user"}
}

test_scope_openid_is_needed if {
	_codes(fixtures.but(fixtures.acquaintance, "token/own", ["profile"])) == {"insufficient_scope"}
}

test_what_was_taken_back_is_not_seen if {
	every party in ["client", "subject", "chain/0"] {
		_codes(fixtures.but(fixtures.acquaintance, sprintf("%s/scopes/rsv_openid/openid", [party]), [])) == {"nothing_left"}
	}
	_codes(fixtures.but(fixtures.acquaintance, "consent/revoked", true)) == {"nothing_left"}
	_codes(fixtures.without(fixtures.acquaintance, "consent")) == {"nothing_left"}
}

test_dead_token_shows_nothing if {
	_codes(fixtures.but(fixtures.acquaintance, "token/revoked", true)) == {"token_revoked"}
	_codes(fixtures.but(fixtures.acquaintance, "subject/status", "suspended")) == {"subject_inactive"}
	_codes(fixtures.but(fixtures.acquaintance, "client/status", "suspended")) == {"client_inactive"}
}

test_no_token_shows_nothing if {
	_codes(fixtures.without(fixtures.acquaintance, "token")) & {"token_unusable", "insufficient_scope"} == {
		"token_unusable",
		"insufficient_scope",
	}
}

test_other_actions_are_unknown if {
	_codes(fixtures.but(fixtures.acquaintance, "action/name", "introspect")) == {"action_unknown"}
	_codes(fixtures.without(fixtures.acquaintance, "action")) == {"action_unknown"}
}

_codes(question) := codes if {
	codes := fixtures.codes(userinfo.reasons) with input as question
}
