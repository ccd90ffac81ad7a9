# METADATA
# title: Who may do what, a service asks
# scope: package
package floor.access_test

import rego.v2

import data.floor.access
import data.floor.fixtures

test_assistant_may_do_what_its_user_agreed_to if {
	access.decision == {
		"allow": true,
		"reasons": set(),
		"scopes": {"sales:read"},
		"resource": "rsv_sales",
		"index": 0,
	} with input as fixtures.enquiry
}

test_each_form_of_the_question_is_answered if {
	every question in [
		fixtures.enquiry_handed_on, fixtures.enquiry_alone, fixtures.enquiry_by_token,
		fixtures.enquiry_paying, fixtures.enquiry_by_token_paying,
	] {
		_codes(question) == set()
	}
}

test_only_the_operator_is_answered if {
	_codes(fixtures.but(fixtures.enquiry, "resources/0/operator", "agt_other")) == {"caller_not_operator"}
	count({"caller_not_operator", "resource_unknown"} - _codes(fixtures.but(fixtures.enquiry, "resources", []))) == 0
	nobody := fixtures.but(fixtures.but(fixtures.enquiry, "resources/0/operator", ""), "client/id", "")
	_codes(nobody) == {"client_unknown"}
}

test_suspended_service_is_answered_no if {
	_codes(fixtures.but(fixtures.enquiry, "resources/0/status", "suspended")) == {"resource_inactive"}
	_codes(fixtures.but(fixtures.enquiry, "client/status", "suspended")) == {"client_inactive"}
}

test_other_things_are_no_resource_servers if {
	_codes(fixtures.but(fixtures.enquiry, "request/asked/resource_type", "record")) == {"resource_unknown"}
}

test_resource_server_is_named if {
	_codes(fixtures.but(fixtures.enquiry, "request/resources", [])) == {"resource_required"}
}

test_everybody_in_it_is_looked_at if {
	_codes(fixtures.but(fixtures.enquiry, "subject/status", "suspended")) == {"subject_inactive"}
	_codes(fixtures.but(fixtures.enquiry_handed_on, "chain/0/status", "suspended")) == {"actor_inactive"}
	_codes(fixtures.but(fixtures.enquiry_handed_on, "chain/1/owner/status", "suspended")) == {"actor_owner_inactive"}
	_codes(fixtures.but(fixtures.enquiry_alone, "subject/expires_at", 1000)) == {"subject_expired"}
}

test_everybody_in_it_holds_the_scope if {
	_codes(fixtures.but(fixtures.enquiry, "subject/scopes", {})) == {"scope_not_held"}
	_codes(fixtures.but(fixtures.enquiry_handed_on, "chain/0/scopes", {})) == {"scope_not_held"}
	_codes(fixtures.but(fixtures.enquiry_handed_on, "chain/1/scopes", {})) == {"scope_not_held"}
	_codes(fixtures.but(fixtures.enquiry, "resources/0/scopes", {})) == {"scope_unknown"}
}

test_caller_needs_no_scope_itself if _codes(fixtures.but(fixtures.enquiry, "client/scopes", {})) == set()

test_subject_is_who_the_service_says if {
	_codes(fixtures.but(fixtures.enquiry, "request/asked/type", "agent")) == {"subject_mismatch"}
	_codes(fixtures.but(fixtures.enquiry, "request/asked/subject", "usr_bob")) == {"subject_unknown", "subject_mismatch"}
	_codes(fixtures.but(fixtures.enquiry_by_token, "request/asked/subject", "usr_bob")) == {"subject_mismatch"}
}

test_actor_that_is_unknown_is_missed if {
	count({"actor_unknown", "scope_not_held"} - _codes(fixtures.but(fixtures.enquiry, "chain/0", null))) == 0
	count({"actor_unknown", "chain_unknown"} - _codes(fixtures.but(fixtures.enquiry, "chain", []))) == 0
}

test_actors_are_those_of_the_token if {
	_codes(fixtures.plus(fixtures.enquiry_by_token, "request/asked/chain", ["agt_assistant"])) == set()
	_codes(fixtures.plus(fixtures.enquiry_by_token, "request/asked/chain", [])) == {"actors_mismatch"}
	_codes(fixtures.plus(fixtures.enquiry_by_token, "request/asked/chain", ["agt_other"])) == {"actors_mismatch"}
}

test_no_chain_is_no_empty_chain if {
	count({"chain_unknown", "subject_unknown"} - _codes(fixtures.without(fixtures.enquiry_alone, "request/asked/chain"))) == 0
}

test_nobody_acts_twice if {
	twice := fixtures.but(fixtures.enquiry_handed_on, "request/asked/chain", ["agt_assistant", "agt_assistant"])
	_codes(fixtures.but(twice, "chain/0", fixtures.enquiry.chain[0])) == {"chain_circular"}
}

test_chain_is_no_longer_than_the_service_accepts if {
	_codes(fixtures.but(fixtures.enquiry_handed_on, "resources/0/max_depth", 1)) == {"chain_too_deep"}
	_codes(fixtures.but(fixtures.enquiry_handed_on, "resources/0/max_depth", 2)) == set()
}

test_one_scope_is_asked_about if {
	_codes(fixtures.but(fixtures.enquiry, "request/scopes", [])) == {"scope_required"}
	_codes(fixtures.but(fixtures.enquiry, "request/scopes", ["sales:read", "sales:read"])) == {"scope_required"}
}

test_user_whom_somebody_acts_for_agreed if {
	_codes(fixtures.but(fixtures.enquiry, "consents", [])) == {"scope_not_consented"}
	_codes(fixtures.but(fixtures.enquiry, "consents/0/revoked", true)) == {"scope_not_consented"}
	_codes(fixtures.but(fixtures.enquiry, "consents/0/expires_at", 1000)) == {"scope_not_consented"}
	_codes(fixtures.but(fixtures.enquiry, "consents/0/client", "agt_other")) == {"scope_not_consented"}
	_codes(fixtures.but(fixtures.enquiry, "consents/0/resource", "rsv_far")) == {"scope_not_consented"}
	_codes(fixtures.but(fixtures.enquiry, "consents/0/scopes", {})) == {"scope_not_consented"}
}

test_consent_reaches_no_further_than_it_leads if {
	reach := {"rsv_sales": {"sales:read": ["far:go"]}}
	far := fixtures.but(fixtures.but(fixtures.enquiry, "consents/0/scopes", {}), "consents/0/reach", reach)
	_codes(far) == {"scope_not_consented"}
	_codes(fixtures.but(fixtures.enquiry_handed_on, "consents/0/reach", {})) == {"scope_not_consented"}
}

test_consent_for_a_token_is_that_which_it_rests_on if {
	_codes(fixtures.but(fixtures.enquiry_by_token, "consent/revoked", true)) == {"scope_not_consented"}
	standing := fixtures.plus(fixtures.without(fixtures.enquiry_by_token, "consent"), "consents", fixtures.enquiry.consents)
	_codes(standing) == {"scope_not_consented"}
}

test_user_who_is_there_needs_no_consent if {
	there := fixtures.without(fixtures.but(fixtures.but(fixtures.enquiry, "request/asked/chain", []), "chain", []), "consents")
	_codes(there) == set()
	_codes(fixtures.but(there, "resources/0/scopes/sales:read/risk", "high")) == {"approval_required"}
}

test_high_risk_is_approved_in_a_token if {
	risky := fixtures.but(fixtures.enquiry, "resources/0/scopes/sales:read/risk", "high")
	_codes(risky) == {"approval_required"}
	_codes(fixtures.but(risky, "consents/0/approval", "apr_1")) == {"approval_required"}
	by_token := fixtures.but(fixtures.enquiry_by_token, "resources/0/scopes/sales:read/risk", "high")
	_codes(by_token) == {"approval_required"}
	_codes(fixtures.but(by_token, "consent/approval", "apr_1")) == set()
	_codes(fixtures.but(fixtures.enquiry_alone, "resources/0/scopes/sales:read/risk", "high")) == set()
}

test_token_is_live_and_for_this_service if {
	_codes(fixtures.but(fixtures.enquiry_by_token, "token/revoked", true)) == {"token_revoked"}
	_codes(fixtures.but(fixtures.enquiry_by_token, "token/aud/id", "rsv_other")) == {"audience_mismatch"}
	_codes(fixtures.but(fixtures.enquiry_by_token, "token/own", ["sales:list"])) == {"insufficient_scope"}
}

test_token_that_cannot_be_read_is_no_question_without_one if {
	unread := fixtures.plus(fixtures.without(fixtures.plus(fixtures.enquiry, "consent", {}), "consent"), "request/token_problem", "malformed")
	count({"token_unusable"} - _codes(unread)) == 0
}

test_other_actions_are_unknown if {
	_codes(fixtures.but(fixtures.enquiry_alone, "action/name", "introspect")) == {"action_unknown"}
	_codes(fixtures.without(fixtures.enquiry_alone, "action")) == {"action_unknown"}
}

test_details_are_within_what_the_user_agreed_to if {
	more := object.union(fixtures.payment, {"amount": "51"})
	_codes(fixtures.but(fixtures.enquiry_paying, "request/details/0", more)) == {"details_not_covered"}
	_codes(fixtures.but(fixtures.enquiry_paying, "consents/0/details", [])) == {"details_not_covered"}
	_codes(fixtures.but(fixtures.enquiry_by_token_paying, "token/details/0/amount", "10")) == {"details_not_covered"}
	_codes(fixtures.but(fixtures.enquiry_by_token_paying, "consent/details/0/amount", "10")) == {"details_not_covered"}
	elsewhere := fixtures.but(fixtures.enquiry_paying, "consents/0/resource", "rsv_far")
	_codes(elsewhere) == {"details_not_covered", "scope_not_consented"}
}

test_details_of_who_needs_no_consent_are_free if {
	alone := object.union(fixtures.enquiry_alone, {"resources": fixtures.enquiry_paying.resources})
	_codes(fixtures.plus(alone, "request/details", [fixtures.payment])) == set()
	there := fixtures.without(fixtures.but(fixtures.but(fixtures.enquiry_paying, "request/asked/chain", []), "chain", []), "consents")
	_codes(there) == set()
}

test_details_are_named_where_there_are_some if {
	_codes(fixtures.but(fixtures.enquiry_paying, "request/details", [])) == {"details_missing"}
	_codes(fixtures.but(fixtures.enquiry_by_token_paying, "request/details", [])) == {"details_missing"}
	gone := fixtures.but(fixtures.enquiry_paying, "consents/0/revoked", true)
	_codes(fixtures.but(gone, "request/details", [])) == {"scope_not_consented"}
}

test_details_go_with_their_scope if {
	_codes(fixtures.but(fixtures.enquiry_paying, "resources/0/types/payment/scope", "sales:list")) == {"details_scope_missing"}
	_codes(fixtures.but(fixtures.enquiry_paying, "resources/0/types/payment/risk", "dire")) == {"details_type_unknown"}
	count({"details_type_unknown"} - _codes(fixtures.but(fixtures.enquiry_paying, "resources/0/types", {}))) == 0
}

test_details_of_high_risk_are_approved_in_a_token if {
	_codes(fixtures.but(fixtures.enquiry_paying, "resources/0/types/payment/risk", "high")) == {"approval_required"}
	by_token := fixtures.but(fixtures.enquiry_by_token_paying, "resources/0/types/payment/risk", "high")
	_codes(by_token) == {"approval_required"}
	_codes(fixtures.but(by_token, "consent/approval", "apr_1")) == set()
	alone := object.union(fixtures.enquiry_alone, {"resources": fixtures.enquiry_paying.resources})
	free := fixtures.plus(alone, "request/details", [fixtures.payment])
	_codes(fixtures.but(free, "resources/0/types/payment/risk", "high")) == set()
}

_codes(question) := codes if {
	codes := fixtures.codes(access.decision.reasons) with input as question
}
