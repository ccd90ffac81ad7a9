# METADATA
# title: What a user agreed to
# scope: package
package floor.consent_test

import rego.v2

import data.floor.fixtures
import data.floor.scope

test_consent_covers_what_it_names if {
	scope.consented == {"sales:read"} with input as fixtures.assist
}

test_user_must_have_consented if {
	question := fixtures.without(fixtures.assist, "consent")
	_missing(question) == {{
		"code": "scope_not_consented",
		"party": "consent",
		"id": "usr_joe",
		"scope": "sales:read",
	}}
}

test_consent_may_say_no if _unconsented("consent/scopes/sales:read", false)

test_consent_covers_no_other_scope if _unconsented("consent/scopes", {"sales:export": true})

test_revoked_consent_covers_nothing if _unconsented("consent/revoked", true)

test_consent_ends_in_the_second_it_expires if _unconsented("consent/expires_at", 1000)

test_consent_for_another_client_covers_nothing if _unconsented("consent/client", "agt_other")

test_consent_of_another_user_covers_nothing if _unconsented("consent/subject", "usr_other")

test_consent_at_another_server_covers_nothing if _unconsented("consent/resource", "rsv_wiki")

test_agent_that_is_spoken_for_need_not_consent if {
	"scope_not_consented" in fixtures.codes(_missing(fixtures.but(fixtures.relay, "subject/kind", "user")))
	every kind in ["agent", "application"] {
		_missing(fixtures.but(fixtures.relay, "subject/kind", kind)) == set()
	}
}

_unconsented(pointer, value) if {
	question := fixtures.but(fixtures.assist, pointer, value)
	fixtures.codes(_missing(question)) == {"scope_not_consented"}
}

_missing(question) := missing if {
	missing := scope.missing with input as question
}
