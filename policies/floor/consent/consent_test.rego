# METADATA
# title: What a user agreed to
# scope: package
package floor.consent_test

import rego.v2

import data.floor.consent
import data.floor.fixtures
import data.floor.scope

test_consent_covers_what_it_names if {
	every question in [fixtures.code, fixtures.refresh] {
		scope.consented == {"sales:read"} with input as question
	}
}

test_consent_covers_what_follows_from_what_it_names if {
	scope.consented == {"sales:read"} with input as fixtures.assist
	consent.covers("rsv_relay", "relay:run") with input as fixtures.inspection
}

test_first_hand_what_merely_follows_is_not_enough if {
	_unconsented(fixtures.code, "scopes", {"sales:list": true})
	_unconsented(fixtures.code, "resource", "rsv_wiki")
}

test_handed_on_it_must_follow if _unconsented(fixtures.assist, "reach", {"rsv_sales": {"sales:read": []}})

test_user_must_have_consented if {
	every question in [fixtures.code, fixtures.assist] {
		_missing(fixtures.without(question, "consent")) == {{
			"code": "scope_not_consented",
			"party": "consent",
			"id": "usr_joe",
			"scope": "sales:read",
		}}
	}
}

test_consent_may_say_no if _unconsented(fixtures.code, "scopes/sales:read", false)

test_consent_must_be_live if {
	every question in [fixtures.code, fixtures.refresh, fixtures.assist] {
		_unconsented(question, "revoked", true)
		_unconsented(question, "expires_at", 1000)
		_unconsented(question, "client", "agt_other")
		_unconsented(question, "subject", "usr_other")
		_unconsented(question, "redirects_ok", false)
	}
}

test_consent_is_that_for_the_client_that_began if {
	chain := ["agt_assistant", "agt_first"]
	scope.consented == set() with input as fixtures.but(fixtures.assist, "parent/chain", chain)
	began := fixtures.but(fixtures.but(fixtures.assist, "parent/chain", chain), "consent/client", "agt_first")
	scope.consented == {"sales:read"} with input as began
}

test_a_chain_of_nobody_was_agreed_to_by_nobody if {
	_unconsented(fixtures.but(fixtures.assist, "parent/chain", []), "id", "cns_1")
	scope.consented == set() with input as fixtures.but(fixtures.assist, "parent/chain", null)
}

test_risky_scope_is_approved_each_time if {
	every question in [fixtures.code, fixtures.refresh, fixtures.assist] {
		_missing(fixtures.but(question, "resources/0/scopes/sales:read/risk", "high")) == {{
			"code": "approval_required",
			"party": "subject",
			"id": "usr_joe",
			"scope": "sales:read",
		}}
	}
}

test_risky_scope_was_approved if {
	every question in [fixtures.code, fixtures.assist] {
		risky := fixtures.but(question, "resources/0/scopes/sales:read/risk", "high")
		_missing(fixtures.but(risky, "consent/approval", "apr_1")) == set()
		count(_missing(fixtures.but(risky, "consent/approval", null))) == 1
	}
	again := fixtures.but(fixtures.refresh, "resources/0/scopes/sales:read/risk", "high")
	fixtures.codes(_missing(fixtures.but(again, "consent/approval", "apr_1"))) == {"approval_required"}
}

test_agents_take_risks_on_their_own_authority if {
	every question in [fixtures.credentials, fixtures.relay] {
		_missing(fixtures.but(question, "resources/0/scopes/sales:read/risk", "high")) == set()
	}
}

test_agent_that_is_spoken_for_need_not_consent if {
	"scope_not_consented" in fixtures.codes(_missing(fixtures.but(fixtures.relay, "subject/kind", "user")))
	every kind in ["agent", "application"] {
		_missing(fixtures.but(fixtures.relay, "subject/kind", kind)) == set()
	}
}

_unconsented(question, fact, value) if {
	spoiled := fixtures.but(question, concat("/", ["consent", fact]), value)
	fixtures.codes(_missing(spoiled)) == {"scope_not_consented"}
}

_missing(question) := missing if {
	missing := scope.missing with input as question
}
