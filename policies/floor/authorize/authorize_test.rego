# METADATA
# title: Who is asked, about what, and what they may answer
# scope: package
package floor.authorize_test

import rego.v2

import data.floor.authorize
import data.floor.fixtures

test_user_is_asked_for_what_is_new if {
	d := _decide(fixtures.visit)
	d.allow
	d.ask == "consent"
	d.until == 9000
	d.scopes == {"sales:read", "sales:list"}
	d.grants == {{"resource": "rsv_sales", "scope": "sales:read"}}
}

test_user_who_agreed_before_is_not_asked if {
	d := _decide(_agreed)
	d.allow
	d.ask == "nothing"
	d.grants == {{"resource": "rsv_sales", "scope": "sales:read"}}
}

test_user_who_agreed_is_asked_if_the_client_wants_it if _decide(_prompt(_agreed, ["consent"])).ask == "consent"

test_nobody_must_sign_in if {
	every fact in ["subject", "session"] {
		d := _decide(fixtures.without(fixtures.visit, fact))
		d.allow
		d.ask == "sign_in"
		d.sign_in == {"nobody"}
	}
}

test_client_may_have_the_user_sign_in_anew if {
	every p in ["login", "select_account"] {
		_decide(_prompt(fixtures.visit, [p])).sign_in == {"prompt"}
		_decide(_anew(_prompt(fixtures.visit, [p]))).sign_in == set()
	}
}

test_sign_in_may_be_too_long_ago if {
	_sign_in(fixtures.plus(fixtures.visit, "request/visit/max_age", 99)) == {"max_age"}
	_sign_in(fixtures.plus(fixtures.visit, "request/visit/max_age", 100)) == set()
	_sign_in(_anew(fixtures.plus(fixtures.visit, "request/visit/max_age", 0))) == set()
}

test_sign_in_may_be_too_weak if {
	strong := fixtures.but(fixtures.visit, "request/visit/acr_values", ["2", "3"])
	_sign_in(strong) == {"acr"}
	_sign_in(fixtures.but(strong, "session/acr", "3")) == set()
	_codes(_anew(strong)) == {"acr_unmet"}
}

test_client_may_mean_somebody if {
	meant := fixtures.plus(fixtures.visit, "request/visit/subject", fixtures.visit.subject.id)
	other := fixtures.plus(fixtures.visit, "request/visit/subject", "usr_other")
	_sign_in(meant) == set()
	_sign_in(other) == {"subject"}
	_sign_in(fixtures.without(meant, "subject")) == {"nobody", "subject"}
	_codes(_prompt(other, ["none"])) == {"login_required"}
	_codes(_anew(other)) == {"login_required"}
	_sign_in(_anew(other)) == set()
	_codes(fixtures.plus(fixtures.reply, "request/visit/subject", "usr_other")) == {"login_required"}
}

test_nobody_is_asked_in_silence if {
	silent := _prompt(fixtures.visit, ["none"])
	_codes(silent) == {"consent_required"}
	_codes(fixtures.without(silent, "session")) == {"login_required"}
	_codes(_prompt(_agreed, ["none"])) == set()
}

test_nothing_to_offer_is_said_to_the_client if {
	_codes(fixtures.but(fixtures.visit, "subject/scopes", {})) == {"nothing_to_offer"}
	_codes(fixtures.without(fixtures.visit, "subject")) == set()
}

test_client_must_be_allowed_to_ask if {
	_codes(fixtures.but(fixtures.visit, "client/grant_types", ["refresh_token"])) == {"grant_type_not_allowed"}
	_codes(fixtures.but(fixtures.visit, "client/status", "suspended")) == {"client_inactive"}
}

test_user_must_be_somebody_who_may_agree if {
	_codes(fixtures.but(fixtures.visit, "subject/status", "suspended")) == {"subject_inactive"}
	"subject_unknown" in _codes(fixtures.but(fixtures.visit, "subject/kind", "agent"))
}

test_nobody_is_sent_where_it_was_not_agreed if {
	_codes(fixtures.but(fixtures.visit, "request/visit/redirect_ok", false)) == {"redirect_unknown"}
}

test_every_client_brings_a_challenge if {
	every seen in ["missing", "plain"] {
		some r in _decide(fixtures.but(fixtures.visit, "request/visit/pkce", seen)).reasons
		r == {"code": "pkce_required", "party": "client", "id": "agt_assistant", "value": seen}
	}
}

test_user_allows_what_is_offered if {
	d := _decide(fixtures.reply)
	d.allow
	d.ask == "nothing"
	d.until == 2000
	d.grants == {{"resource": "rsv_sales", "scope": "sales:list"}}
}

test_user_allows_nothing_else if {
	every pair in [["rsv_sales", "sales:export"], ["rsv_wiki", "sales:list"]] {
		ticked := [{"resource": pair[0], "scope": pair[1]}]
		_codes(fixtures.but(fixtures.reply, "request/answer/scopes", ticked)) == {"scope_not_offered"}
	}
	_codes(fixtures.without(fixtures.reply, "subject/scopes/rsv_sales/sales:list")) == {"scope_not_offered"}
}

test_user_allows_something if {
	_codes(fixtures.but(fixtures.reply, "request/answer/scopes", [])) == {"nothing_ticked"}
	_codes(fixtures.without(fixtures.reply, "request/answer")) == {"nothing_ticked", "until_out_of_bounds"}
}

test_what_is_allowed_ends_in_time if {
	every until in [1000, 9001] {
		_codes(fixtures.but(fixtures.reply, "request/answer/until", until)) == {"until_out_of_bounds"}
	}
	_codes(fixtures.but(fixtures.reply, "request/answer/until", 9000)) == set()
}

test_whoever_answers_is_who_was_asked if {
	_codes(fixtures.without(fixtures.reply, "session")) == {"login_required"}
}

test_another_action_is_not_answered if "action_unknown" in _codes(fixtures.but(fixtures.visit, "action/name", "approve"))

test_a_question_without_facts_is_refused if {
	not _decide({}).allow
}

# Each fact in turn is taken out. It must refuse, ask more, or offer less.
_optional := {
	"credential", "client/name", "subject/name", "resources/*/name", "client/labels", "subject/labels",
	"client/owner/id", "subject/owner", "client/defaults", "client/max_ttl", "chain",
	"resources/*/operator", "resources/*/token_ttl", "resources/*/max_depth",
	"session/acr", "session/amr", "request/visit/prompt", "request/visit/acr_values", "request/visit/began",
	"request/resources/*", "consents/*/id", "consents/*/reach",
	# Not asked for here.
	"client/scopes/rsv_sales/sales:list", "subject/scopes/rsv_sales/sales:list", "resources/*/scopes/sales:list",
}

test_every_fact_counts if {
	granted := _decide(_agreed)
	every fact in fixtures.facts(_agreed, _optional) {
		d := _decide(fixtures.without(_agreed, fact))
		_less(d, granted)
	}
}

_less(d, _) if not d.allow

_less(d, _) if d.ask != "nothing"

_less(d, granted) if d.grants != granted.grants

_agreed := fixtures.but(fixtures.visit, "request/scopes", ["sales:read"])

_prompt(question, value) := fixtures.but(question, "request/visit/prompt", value)

_anew(question) := fixtures.but(question, "session/auth_time", 990)

_decide(question) := d if {
	d := authorize.decision with input as question
}

_sign_in(question) := _decide(question).sign_in

_codes(question) := fixtures.codes(_decide(question).reasons)
