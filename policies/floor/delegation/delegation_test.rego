# METADATA
# title: Who acts, and for whom
# scope: package
package floor.delegation_test

import rego.v2

import data.floor.delegation
import data.floor.fixtures

test_agent_asking_for_itself_is_the_subject if {
	delegation.subject == "agt_reporter" with input as fixtures.credentials
}

test_agent_asking_for_itself_has_no_actors if {
	delegation.chain == [] with input as fixtures.credentials
}

test_client_acts_for_the_person_who_let_it if {
	every question in [fixtures.code, fixtures.refresh] {
		delegation.subject == "usr_joe" with input as question
		delegation.chain == ["agt_assistant"] with input as question
		_codes(question) == set()
	}
}

test_exchange_keeps_the_subject if {
	delegation.subject == "agt_root" with input as fixtures.relay
}

test_exchange_puts_the_client_in_front if {
	delegation.chain == ["agt_relay", "agt_near", "agt_far"] with input as fixtures.relay
}

test_exchange_of_a_token_without_actors_has_one if {
	delegation.chain == ["agt_relay"] with input as fixtures.but(fixtures.relay, "parent/chain", [])
}

test_holder_acts_already if {
	delegation.chain == ["agt_assistant"] with input as fixtures.assist
}

test_stranger_may_not_exchange if {
	question := fixtures.but(fixtures.relay, "parent/aud/operator", "agt_other")
	_codes(question) == {"not_entitled"}
}

test_service_a_token_was_sent_to_may_exchange_it if {
	delegation.entitled with input as fixtures.but(fixtures.relay, "parent/client", "agt_other")
}

test_holder_may_exchange_its_token if {
	delegation.entitled with input as fixtures.but(fixtures.assist, "parent/aud/operator", "agt_other")
}

test_nobody_appears_twice if {
	question := fixtures.but(fixtures.relay, "parent/chain", ["agt_near", "agt_relay"])
	_codes(question) == {"chain_circular"}
}

test_chain_that_was_circular_stays_refused if {
	question := fixtures.but(fixtures.relay, "parent/chain", ["agt_near", "agt_near"])
	_codes(question) == {"chain_circular"}
}

test_chain_may_be_as_deep_as_the_server_allows if {
	_codes(fixtures.but(fixtures.relay, "resources/0/max_depth", 3)) == set()
}

test_chain_may_not_be_deeper if {
	question := fixtures.but(fixtures.relay, "resources/0/max_depth", 2)
	delegation.reasons == {{
		"code": "chain_too_deep",
		"party": "resource",
		"id": "rsv_sales",
		"value": "3",
	}} with input as question
}

test_no_server_lifts_the_ceiling if {
	deep := fixtures.but(fixtures.relay, "resources/0/max_depth", 100)
	parent := [sprintf("agt_%d", [i]) | some i in numbers.range(1, 8)]
	_codes(fixtures.but(deep, "parent/chain", parent)) == {"chain_too_deep"}
}

test_chain_of_the_ceiling_is_allowed if {
	deep := fixtures.but(fixtures.relay, "resources/0/max_depth", 100)
	parent := [sprintf("agt_%d", [i]) | some i in numbers.range(1, 7)]
	_codes(fixtures.but(deep, "parent/chain", parent)) == set()
}

test_unreadable_chain_is_unknown if {
	"chain_unknown" in _codes(fixtures.but(fixtures.relay, "parent/chain", null))
}

test_actor_token_may_confirm_the_client if _with_actor_token({}) == set()

test_actor_token_of_another_subject_is_foreign if _with_actor_token({"subject": "agt_x"}) == {"actor_token_foreign"}

test_actor_token_of_another_client_is_foreign if _with_actor_token({"client": "agt_x"}) == {"actor_token_foreign"}

test_delegated_actor_token_is_foreign if _with_actor_token({"chain": ["agt_relay"]}) == {"actor_token_foreign"}

test_revoked_actor_token_is_foreign if _with_actor_token({"revoked": true}) == {"actor_token_foreign"}

test_expired_actor_token_is_foreign if _with_actor_token({"exp": 1000}) == {"actor_token_foreign"}

test_unreadable_actor_token_is_foreign if _with_actor_token({"problem": "malformed"}) == {"actor_token_foreign"}

test_every_fact_of_an_actor_token_counts if {
	every fact in {"subject", "client", "chain", "revoked", "exp"} {
		token := json.remove(_actor_token, [fact])
		_codes(fixtures.plus(fixtures.relay, "request/actor_token", token)) == {"actor_token_foreign"}
	}
}

_actor_token := {
	"subject": "agt_relay", "client": "agt_relay", "chain": [],
	"exp": 2000, "revoked": false, "aud": "https://relay",
}

_with_actor_token(change) := _codes(fixtures.plus(
	fixtures.relay, "request/actor_token",
	object.union(_actor_token, change),
))

_codes(question) := codes if {
	codes := fixtures.codes(delegation.reasons) with input as question
}
