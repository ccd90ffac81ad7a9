# METADATA
# title: What a client learns of who a user is
# scope: package
package floor.identity_test

import rego.v2

import data.floor.fixtures
import data.floor.identity
import data.floor.issue

test_id_token_goes_with_the_access_token if {
	_token(fixtures.signed_in) == {"released": {"openid": {"sub"}, "email": {"email", "email_verified"}}, "ttl": 300}
	issue.decision.id_token == _token(fixtures.signed_in) with input as fixtures.signed_in
	issue.decision.scopes == {"sales:read"} with input as fixtures.signed_in
}

test_claims_are_those_of_the_scopes if {
	identity.claims.profile == {"name", "preferred_username", "updated_at"}
	identity.claims.groups == {"groups"}
}

test_it_lives_no_longer_than_the_access_token if {
	_token(fixtures.but(fixtures.signed_in, "client/max_ttl", 20)).ttl == 20
	longer := fixtures.but(fixtures.signed_in, "resources/0/token_ttl", 600)
	_token(longer).ttl == 300
}

test_without_openid_there_is_none if {
	every party in ["authorization", "client", "subject"] {
		not _token(fixtures.without(fixtures.signed_in, sprintf("%s/scopes/rsv_openid/openid", [party])))
		not _token(fixtures.but(fixtures.signed_in, sprintf("%s/scopes/rsv_openid/openid", [party]), []))
	}
	not _token(fixtures.but(fixtures.signed_in, "consents/0/scopes/openid", false))
	question := fixtures.without(fixtures.signed_in, "consents/0/scopes/openid")
	not _token(question)
	issue.decision.id_token == {} with input as question
	issue.decision.allow with input as question
}

test_what_somebody_lacks_is_not_released if {
	every party in ["authorization", "client", "subject"] {
		_names(fixtures.without(fixtures.signed_in, sprintf("%s/scopes/rsv_openid/email", [party]))) == {"openid"}
	}
	_names(fixtures.but(fixtures.signed_in, "consents/0/scopes/email", false)) == {"openid"}
}

test_consent_must_count if {
	spoiled := {
		"revoked": true, "expires_at": 1000, "redirects_ok": false, "subject": "usr_other",
		"client": "agt_other", "resource": "rsv_sales",
	}
	every fact, value in spoiled {
		not _token(fixtures.but(fixtures.signed_in, sprintf("consents/0/%s", [fact]), value))
	}
	not _token(fixtures.without(fixtures.signed_in, "consents"))
}

test_whoever_names_scopes_gets_no_others if {
	_names(fixtures.but(fixtures.signed_in, "request/scopes", ["sales:read", "openid"])) == {"openid"}
	not _token(fixtures.but(fixtures.signed_in, "request/scopes", ["sales:read", "email"]))
}

test_scopes_of_that_name_elsewhere_are_others if {
	question := fixtures.without(fixtures.signed_in, "authorization/scopes/rsv_openid")
	elsewhere := fixtures.plus(question, "authorization/scopes/rsv_sales/openid", ["openid"])
	identity.held == set() with input as elsewhere
}

_token(question) := token if {
	token := identity.token with input as question
}

_names(question) := object.keys(_token(question).released)
