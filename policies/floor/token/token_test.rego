# METADATA
# title: Which tokens count
# scope: package
package floor.token_test

import rego.v2

import data.floor.fixtures
import data.floor.token

test_live_token_counts if _codes(fixtures.relay) == set()

test_introspected_token_counts_alike if _codes(fixtures.inspection) == set()

test_missing_token_is_unusable if {
	missing := fixtures.without(fixtures.relay, "parent")
	token.reasons == {{"code": "token_unusable", "party": "parent", "value": "missing"}} with input as missing
}

test_unusable_token_says_what_is_wrong_with_it if {
	missing := fixtures.without(fixtures.relay, "parent")
	question := fixtures.plus(missing, "request/token_problem", "malformed")
	token.reasons == {{"code": "token_unusable", "party": "parent", "value": "malformed"}} with input as question
}

test_token_ends_in_the_second_it_expires if {
	_codes(fixtures.but(fixtures.relay, "parent/exp", 1000)) == {"token_expired"}
}

test_token_lives_to_the_last_second if _codes(fixtures.but(fixtures.relay, "parent/exp", 1001)) == set()

test_token_of_a_minute_ahead_counts if _codes(fixtures.but(fixtures.relay, "parent/iat", 1060)) == set()

test_token_of_the_future_does_not_count_yet if {
	_codes(fixtures.but(fixtures.relay, "parent/iat", 1061)) == {"token_early"}
}

test_revoked_token_is_dead if _codes(fixtures.but(fixtures.relay, "parent/revoked", true)) == {"token_revoked"}

test_token_falls_with_its_revoked_grant if {
	_codes(fixtures.but(fixtures.relay, "parent/grant/revoked", true)) == {"grant_ended"}
}

test_token_falls_with_its_expired_grant if {
	_codes(fixtures.but(fixtures.relay, "parent/grant/expires_at", 1000)) == {"grant_ended"}
}

test_token_falls_with_its_service if {
	_codes(fixtures.but(fixtures.relay, "parent/aud/status", "suspended")) == {"token_audience_inactive"}
}

_codes(question) := codes if {
	codes := fixtures.codes(token.reasons) with input as question
}
