# METADATA
# title: What a person may change of their account
# scope: package
package floor.account_test

import rego.v2

import data.floor.account
import data.floor.fixtures

_recent := {operation | some operation, sign_in in account.required; sign_in == "recent"}

test_own_account_may_be_changed_right_after_signing_in if {
	every operation, _ in account.required {
		account.decision == {"allow": true, "reasons": set()} with input as _asked(operation)
	}
}

test_nothing_of_others_may_be_changed if {
	every operation, _ in account.required {
		every owner in ["usr_eve", "", null] {
			_reasons(fixtures.but(_asked(operation), "object/owner", owner)) == {_reason("object_foreign")}
		}
	}
}

test_what_is_nobodys_is_not_changed_by_nobody if {
	question := fixtures.but(fixtures.but(fixtures.account, "object/owner", ""), "subject/id", "")
	_codes(question) == {"subject_unknown"}
}

test_only_what_signs_in_takes_a_recent_sign_in if {
	every operation, _ in account.required {
		question := fixtures.but(_asked(operation), "session/auth_time", 100)
		_codes(question) == {"sign_in_too_old" | operation in _recent}
	}
}

test_a_sign_in_is_recent_for_a_quarter_of_an_hour if {
	fixtures.account.now - account.recent == 100
	account.decision.allow with input as fixtures.but(_asked("addPasskey"), "session/auth_time", 101)
	not account.decision.allow with input as fixtures.but(_asked("addPasskey"), "session/auth_time", 100)
}

test_a_second_factor_is_not_gone_around if {
	every operation, _ in account.required {
		every there in [true, null, "no"] {
			weak := fixtures.but(_asked(operation), "object/second_factor", there)
			_codes(weak) == {"second_factor_needed" | operation in _recent}
			account.decision.allow with input as fixtures.but(weak, "session/acr", "2")
		}
	}
}

test_taking_back_needs_no_recent_sign_in if {
	_recent & {"endSession", "endSessions", "revokeConsent", "revokeAgent"} == set()
}

test_agents_are_offered_a_few_times_a_day if {
	question := _asked("offerAgent")
	account.decision.allow with input as fixtures.but(question, "object/offers", account.most_offers - 1)
	every value in [account.most_offers, account.most_offers + 1, "0", {}, null, false] {
		_reasons(fixtures.but(question, "object/offers", value)) == {_reason("offers_exhausted")}
	}
	_reasons(fixtures.without(question, "object/offers")) == {_reason("offers_exhausted")}
}

test_who_offered_much_may_still_answer_and_withdraw if {
	every operation, _ in account.required {
		question := fixtures.but(_asked(operation), "object/offers", 1000)
		_codes(question) == {"offers_exhausted" | operation == "offerAgent"}
	}
}

test_taking_an_agent_on_needs_a_recent_sign_in_and_leaving_it_none if {
	{"acceptAgent", "offerAgent"} & _recent == {"acceptAgent", "offerAgent"}
	{"declineAgent", "withdrawOffer"} & _recent == set()
}

test_only_a_person_has_an_account if {
	_reasons(fixtures.but(fixtures.account, "subject/kind", "agent")) == {_reason("subject_unknown")}
	_codes(fixtures.without(fixtures.account, "subject")) == {
		"subject_unknown", "subject_inactive", "subject_expired", "object_foreign",
	}
}

test_who_is_suspended_may_not if {
	question := fixtures.but(fixtures.account, "subject/status", "suspended")
	_reasons(question) == {object.union(_reason("subject_inactive"), {"value": "suspended"})}
}

test_who_has_ended_may_not if {
	_reasons(fixtures.but(fixtures.account, "subject/expires_at", 1000)) == {_reason("subject_expired")}
}

test_who_has_not_signed_in_may_not if {
	_reasons(fixtures.without(_asked("endSession"), "session")) == {_reason("login_required")}
}

test_unknown_operation_is_refused if {
	every name in ["account:makeMeKing", "account:", "endSession", "admin:endSession"] {
		question := fixtures.but(fixtures.account, "action/name", name)
		_reasons(question) == {{"code": "operation_unknown", "value": name}}
	}
}

test_other_version_is_refused if {
	_reasons(fixtures.but(fixtures.account, "v", 2)) == {{"code": "version_unknown"}}
}

_optional := {
	# For people to read.
	"subject/name", "object/kind", "object/id",
	# Of house policy, which is not asked; nor does a user need any right to their own account.
	"subject/labels", "subject/scopes", "subject/owner",
	# Counts for who offers, alone.
	"object/offers",
	# How strongly is said by acr; it counts where there is a second factor.
	"session/amr", "session/acr",
}

test_every_fact_counts if {
	every fact in fixtures.facts(fixtures.account, _optional) {
		not account.decision.allow with input as fixtures.without(fixtures.account, fact)
	}
}

test_no_listed_fact_counts if {
	every fact in fixtures.facts(fixtures.account, set()) - fixtures.facts(fixtures.account, _optional) {
		account.decision.allow with input as fixtures.without(fixtures.account, fact)
	}
}

test_every_type_counts if {
	every fact in fixtures.facts(fixtures.account, _optional) {
		every value in [null, {}] {
			not account.decision.allow with input as fixtures.but(fixtures.account, fact, value)
		}
	}
}

_asked(operation) := fixtures.but(fixtures.account, "action/name", sprintf("account:%s", [operation]))

_reason(code) := {"code": code, "party": "subject", "id": "usr_joe"}

_reasons(question) := reasons if {
	reasons := account.decision.reasons with input as question
}

_codes(question) := fixtures.codes(_reasons(question))
