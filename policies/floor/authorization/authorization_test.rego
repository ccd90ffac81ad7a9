# METADATA
# title: What a code or a refresh token is worth
# scope: package
package floor.authorization_test

import rego.v2

import data.floor.authorization
import data.floor.fixtures

test_good_authorization_is_taken if {
	every question in [fixtures.code, fixtures.refresh, fixtures.credentials, fixtures.relay] {
		authorization.reasons == set() with input as question
	}
}

test_nothing_else_is_said_of_none if {
	question := fixtures.without(fixtures.code, "authorization")
	authorization.reasons == {{
		"code": "authorization_unusable",
		"party": "grant",
		"value": "missing",
	}} with input as question
	unknown := fixtures.plus(question, "request/token_problem", "unknown")
	authorization.reasons == {{
		"code": "authorization_unusable",
		"party": "grant",
		"value": "unknown",
	}} with input as unknown
}

test_no_other_grant_brings_one if {
	question := fixtures.plus(fixtures.relay, "authorization", fixtures.code.authorization)
	"authorization_unexpected" in _codes(question)
}

test_each_is_presented_in_its_own_way if {
	every kind in ["ciba", "device", "", null] {
		_codes(fixtures.but(fixtures.code, "authorization/kind", kind)) == {"authorization_unusable"}
	}
	_codes(fixtures.but(fixtures.approved, "authorization/kind", "authorization_code")) == {"authorization_unusable"}
	_codes(fixtures.but(fixtures.refresh, "authorization/kind", "ciba")) == set()
	nothing := fixtures.without(fixtures.approved, "authorization")
	_codes(nothing) == {"authorization_unusable"}
	_codes(fixtures.but(nothing, "approval/state", "pending")) == set()
}

test_it_is_of_the_client_it_was_given_to if _only("client", "agt_other", "authorization_foreign")

test_it_ends_in_the_second_it_expires if _only("expires_at", 1000, "authorization_expired")

test_it_ends_with_its_grant if _only("ends_at", 1000, "authorization_ended")

test_what_was_taken_back_stays_so if _only("revoked", true, "authorization_ended")

test_it_is_used_once if _only("used", true, "authorization_used")

test_the_redirect_is_the_one_it_was_asked_with if _only("redirect_ok", false, "redirect_mismatch")

test_the_verifier_matches if {
	every seen in ["missing", "wrong", "unexpected"] {
		some r in authorization.reasons with input as fixtures.but(fixtures.code, "authorization/pkce", seen)
		r == {"code": "pkce_failed", "party": "grant", "id": "gnt_1", "value": seen}
	}
}

test_it_is_for_the_servers_the_user_was_asked_about if _only("resources", ["rsv_wiki"], "resource_not_authorized")

_only(fact, value, code) if {
	every question in [fixtures.code, fixtures.refresh] {
		_codes(fixtures.but(question, concat("/", ["authorization", fact]), value)) == {code}
	}
}

_codes(question) := codes if {
	codes := fixtures.codes(authorization.reasons) with input as question
}
