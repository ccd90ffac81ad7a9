# METADATA
# title: How long a token may live
# scope: package
package floor.lifetime_test

import rego.v2

import data.floor.fixtures
import data.floor.lifetime

test_server_bounds_lifetime if _ttl(fixtures.credentials, "resources/0/token_ttl", 50) == 50

test_client_bounds_lifetime if _ttl(fixtures.credentials, "client/max_ttl", 50) == 50

test_client_expiry_bounds_lifetime if _ttl(fixtures.credentials, "client/expires_at", 1050) == 50

test_subject_expiry_bounds_lifetime if _ttl(fixtures.assist, "subject/expires_at", 1050) == 50

test_parent_expiry_bounds_lifetime if _ttl(fixtures.assist, "parent/exp", 1050) == 50

test_grant_expiry_bounds_lifetime if _ttl(fixtures.assist, "parent/grant/expires_at", 1050) == 50

test_consent_expiry_bounds_lifetime if _ttl(fixtures.assist, "consent/expires_at", 1050) == 50

test_what_a_person_granted_bounds_lifetime if {
	_ttl(fixtures.code, "authorization/ends_at", 1050) == 50
	_ttl(fixtures.refresh, "consent/expires_at", 1050) == 50
	_ttl(fixtures.refresh, "subject/expires_at", 1050) == 50
}

test_end_of_a_code_bounds_no_token if _ttl(fixtures.code, "authorization/expires_at", 1010) == 300

test_every_actor_expiry_bounds_lifetime if _ttl(fixtures.relay, "chain/1/expires_at", 1050) == 50

test_owner_of_client_bounds_lifetime if _ttl(fixtures.credentials, "client/owner/expires_at", 1050) == 50

test_owner_of_subject_bounds_lifetime if _ttl(fixtures.relay, "subject/owner/expires_at", 1050) == 50

test_owner_of_every_actor_bounds_lifetime if {
	_ttl(fixtures.relay, "chain/0/owner/expires_at", 1050) == 50
	_ttl(fixtures.relay, "chain/1/owner/expires_at", 1050) == 50
}

test_no_owner_is_no_bound if {
	_ttl(fixtures.credentials, "client/owner", null) == 300
	_ttl(fixtures.relay, "subject/owner", null) == 300
	_ttl(fixtures.relay, "chain/1/owner", null) == 300
}

test_request_may_ask_for_less if {
	lifetime.ttl == 50 with input as fixtures.plus(fixtures.credentials, "request/requested_ttl", 50)
}

test_request_may_not_ask_for_more if {
	lifetime.ttl == 300 with input as fixtures.plus(fixtures.credentials, "request/requested_ttl", 5000)
}

test_end_that_is_nearest_is_told if {
	_ends(fixtures.assist, "consent/expires_at", 1299) == 1299
	_ends(fixtures.relay, "chain/1/owner/expires_at", 1001) == 1001
}

test_end_that_cuts_nothing_short_is_not_told if {
	not _ends(fixtures.assist, "consent/expires_at", 1300)
	not _ends(fixtures.credentials, "client/max_ttl", 50)
	not _ends(fixtures.credentials, "resources/0/token_ttl", 50)
}

test_lifetime_without_a_bound_is_unknown if {
	every question in [fixtures.without(fixtures.assist, "parent/exp"), fixtures.without(fixtures.code, "authorization/ends_at")] {
		fixtures.codes(lifetime.reasons) == {"lifetime_unknown"} with input as question
	}
}

test_token_of_no_seconds_is_no_token if {
	question := fixtures.but(fixtures.credentials, "client/expires_at", 1000)
	fixtures.codes(lifetime.reasons) == {"lifetime_exhausted"} with input as question
}

test_token_of_one_second_is_a_token if {
	lifetime.reasons == set() with input as fixtures.but(fixtures.credentials, "client/expires_at", 1001)
}

_ends(question, pointer, value) := ends if {
	ends := lifetime.ends with input as fixtures.but(question, pointer, value)
}

_ttl(question, pointer, value) := ttl if {
	ttl := lifetime.ttl with input as fixtures.but(question, pointer, value)
}
