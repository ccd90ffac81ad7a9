# METADATA
# title: Who has standing, and who has not
# scope: package
package floor.standing_test

import rego.v2

import data.floor.fixtures
import data.floor.standing

test_good_questions_have_standing if {
	some question in [fixtures.credentials, fixtures.relay, fixtures.assist, fixtures.inspection, fixtures.administration, fixtures.code, fixtures.refresh]
	standing.reasons == set() with input as question
}

test_document_of_another_version_has_no_answer if {
	_codes(fixtures.but(fixtures.credentials, "v", 2)) == {"version_unknown"}
}

test_suspended_client_has_no_standing if {
	_codes(fixtures.but(fixtures.credentials, "client/status", "suspended")) == {"client_inactive"}
}

test_refusal_says_what_status_was_seen if {
	some r in standing.reasons with input as fixtures.but(fixtures.credentials, "client/status", "decommissioned")
	r == {"code": "client_inactive", "party": "client", "id": "agt_reporter", "value": "decommissioned"}
}

test_client_ends_in_the_second_it_expires if {
	_codes(fixtures.but(fixtures.credentials, "client/expires_at", 1000)) == {"client_expired"}
}

test_client_stands_to_the_last_second if {
	_codes(fixtures.but(fixtures.credentials, "client/expires_at", 1001)) == set()
}

test_client_falls_with_its_owner if {
	_codes(fixtures.but(fixtures.credentials, "client/owner/status", "suspended")) == {"client_owner_inactive"}
}

test_client_falls_when_its_owner_expires if {
	_codes(fixtures.but(fixtures.credentials, "client/owner/expires_at", 1000)) == {"client_owner_inactive"}
}

test_agent_without_owner_has_no_standing if {
	_codes(fixtures.but(fixtures.credentials, "client/owner", null)) == {"client_owner_inactive"}
}

test_application_may_have_no_owner if {
	application := fixtures.but(fixtures.credentials, "client/kind", "application")
	_codes(fixtures.but(application, "client/owner", null)) == set()
}

test_application_that_has_an_owner_falls_with_them if {
	application := fixtures.but(fixtures.credentials, "client/kind", "application")
	_codes(fixtures.but(application, "client/owner/status", "suspended")) == {"client_owner_inactive"}
}

test_user_is_no_client if {
	_codes(fixtures.but(fixtures.credentials, "client/kind", "user")) == {"client_owner_inactive"}
}

test_suspended_subject_has_no_standing if {
	_codes(fixtures.but(fixtures.relay, "subject/status", "suspended")) == {"subject_inactive"}
}

test_expired_subject_has_no_standing if {
	_codes(fixtures.but(fixtures.relay, "subject/expires_at", 1000)) == {"subject_expired"}
}

test_agent_that_is_spoken_for_falls_with_its_owner if {
	_codes(fixtures.but(fixtures.relay, "subject/owner/status", "suspended")) == {"subject_owner_inactive"}
}

test_subject_must_be_the_one_the_token_names if {
	_codes(fixtures.but(fixtures.relay, "subject/id", "agt_other")) == {"subject_unknown"}
}

test_a_person_is_who_granted_it if {
	_codes(fixtures.but(fixtures.code, "authorization/subject", "usr_other")) == {"subject_unknown"}
	_codes(fixtures.but(fixtures.code, "subject/status", "suspended")) == {"subject_inactive"}
}

test_only_a_person_grants if {
	agent := json.patch(fixtures.code, [
		{"op": "replace", "path": "subject/kind", "value": "agent"},
		{"op": "replace", "path": "subject/owner", "value": fixtures.code.client.owner},
	])
	_codes(agent) == {"subject_unknown"}
}

test_nobody_is_not_somebody if {
	nameless := fixtures.but(fixtures.relay, "subject/id", "")
	_codes(fixtures.but(nameless, "parent/subject", "")) == {"subject_unknown"}
}

test_every_actor_is_who_the_token_says if {
	_codes(fixtures.but(fixtures.relay, "chain/1/id", "agt_other")) == {"actor_unknown"}
}

test_actors_are_compared_place_by_place if {
	_codes(fixtures.but(fixtures.relay, "parent/chain", ["agt_far", "agt_near"])) == {"actor_unknown"}
}

test_one_suspended_actor_ends_the_chain if {
	_codes(fixtures.but(fixtures.relay, "chain/1/status", "suspended")) == {"actor_inactive"}
}

test_one_expired_actor_ends_the_chain if {
	_codes(fixtures.but(fixtures.relay, "chain/1/expires_at", 1000)) == {"actor_expired"}
}

test_actor_falls_with_its_owner if {
	_codes(fixtures.but(fixtures.relay, "chain/0/owner/status", "suspended")) == {"actor_owner_inactive"}
}

test_chain_may_not_lose_a_link if {
	_codes(fixtures.but(fixtures.relay, "parent/chain", ["agt_near"])) == {"chain_unknown"}
}

test_chain_is_a_list if {
	"chain_unknown" in _codes(fixtures.but(fixtures.relay, "parent/chain", {"0": "agt_near", "1": "agt_far"}))
}

test_token_held_by_a_stranger_has_no_standing if {
	_codes(fixtures.but(fixtures.relay, "parent/client", "agt_stranger")) == {"client_unknown"}
}

test_token_may_be_held_by_its_subject if {
	_codes(fixtures.but(fixtures.relay, "parent/client", "agt_root")) == set()
}

test_token_may_be_held_by_the_one_that_asks if {
	_codes(fixtures.but(fixtures.relay, "parent/client", "agt_relay")) == set()
}

test_agent_asking_for_itself_needs_no_subject if {
	standing.autonomous with input as fixtures.credentials
}

test_any_other_action_needs_a_subject if {
	_codes(fixtures.but(fixtures.credentials, "action/name", "anything")) == {
		"subject_inactive", "subject_expired", "subject_owner_inactive", "subject_unknown",
		"chain_unknown", "client_unknown",
	}
}

test_moment_is_a_number if {
	not standing.unexpired("tomorrow") with input as fixtures.credentials
}

test_clock_is_a_number if {
	not standing.unexpired(9000) with input as fixtures.but(fixtures.credentials, "now", null)
}

_codes(question) := codes if {
	codes := fixtures.codes(standing.reasons) with input as question
}
