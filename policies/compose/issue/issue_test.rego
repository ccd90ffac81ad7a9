# METADATA
# title: What is left of a grant
# scope: package
package compose.issue_test

import rego.v2

import data.compose.issue

_granted := {
	"allow": true, "reasons": set(), "scopes": {"sales:read", "sales:list"},
	"resource": "rsv_sales", "audience": "https://sales", "index": 0, "ttl": 300, "ends": 0, "valid_until": 1000,
	"subject": "usr_joe", "chain": ["agt_assistant"], "consented": false,
	"removed": set(), "narrows": false, "refreshable": true, "id_token": {}, "details": set(), "through": {},
}

test_silent_house_leaves_the_floor_as_it_is if {
	issue.decision == {
		"allow": true, "reasons": set(), "scopes": {"sales:read", "sales:list"},
		"resource": "rsv_sales", "audience": "https://sales", "ttl": 300, "ends": 0, "valid_until": 1000,
		"subject": "usr_joe", "chain": ["agt_assistant"], "claims": {}, "removed": set(), "refreshable": true,
	} with input as {"floor": _granted, "house": {}}
}

test_house_that_has_rules_and_does_not_use_them_is_silent if {
	every said in [{"deny": set()}, {"deny": set(), "remove": set()}, {"deny": set(), "remove": set(), "require": set()}] {
		_decision(said) == _decision({})
	}
}

test_refusal_of_the_floor_stands if {
	refused := object.union(_granted, {"allow": false, "reasons": {{"code": "client_inactive", "party": "client"}}})
	issue.decision.allow == false with input as {"floor": refused, "house": {}}
}

test_house_may_deny if _codes({"deny": {"closed"}}) == {"closed"}

test_house_may_remove if {
	decision := _decision({"remove": {"sales:read"}})
	decision.scopes == {"sales:list"}
	decision.removed == {{"code": "scope_removed", "party": "house", "scope": "sales:read"}}
}

test_removed_scope_refuses_the_request_that_named_it if _codes({"remove": {"sales:read"}}) == {"scope_removed"}

test_house_may_remove_details_of_a_type if {
	paying := object.union(_granted, {
		"narrows": true, "details": {_pay, _look, _glance},
		"through": {"payment": "sales:read", "look": "sales:list", "glance": "sales:list"},
	})
	untouched := issue.decision with input as {"floor": paying, "house": {}}
	untouched.details == {_pay, _look, _glance}
	less := issue.decision with input as {"floor": paying, "house": {"remove": {{"details": "payment"}}}}
	less.allow
	less.details == {_look, _glance}
	less.scopes == {"sales:list"}
	less.removed == {{"code": "details_removed", "party": "house", "value": "payment"}}
	part := issue.decision with input as {"floor": paying, "house": {"remove": {{"details": "look"}}}}
	part.scopes == {"sales:read", "sales:list"}
	scopeless := issue.decision with input as {"floor": paying, "house": {"remove": {"sales:list"}}}
	scopeless.details == {_pay}
	exact := issue.decision with input as {
		"floor": object.union(paying, {"narrows": false}),
		"house": {"remove": {{"details": "payment", "code": "no_payments"}}},
	}
	{r.code | some r in exact.reasons} == {"no_payments"}
}

_pay := {"type": "payment", "amount": 5}

_look := {"type": "look"}

_glance := {"type": "glance"}

_personal := object.union(_granted, {
	"narrows": true,
	"removed": {{"code": "scope_not_held", "party": "client", "id": "agt_assistant", "scope": "sales:export"}},
})

test_what_the_floor_removed_is_told if {
	decision := issue.decision with input as {"floor": _personal, "house": {}}
	decision.removed == _personal.removed
}

test_removed_scope_narrows_what_a_person_granted if {
	decision := issue.decision with input as {"floor": _personal, "house": {"remove": {"sales:read"}}}
	decision.allow
	decision.scopes == {"sales:list"}
	decision.removed == _personal.removed | {{"code": "scope_removed", "party": "house", "scope": "sales:read"}}
}

test_removal_of_all_of_it_refuses if {
	decision := issue.decision with input as {"floor": _personal, "house": {"remove": {"sales:read", "sales:list"}}}
	fixtures_codes(decision.reasons) == {"scope_removed"}
}

fixtures_codes(reasons) := {r.code | some r in reasons}

test_removal_of_what_was_not_granted_changes_nothing if {
	decision := _decision({"remove": {"sales:export"}})
	decision.allow
	decision.scopes == _granted.scopes
	decision.removed == set()
}

test_house_may_shorten_the_life if _decision({"max_ttl": 60}).ttl == 60

test_house_may_not_lengthen_the_life if _decision({"max_ttl": 6000}).ttl == 300

test_life_is_of_whole_seconds if _decision({"max_ttl": 59.9}).ttl == 59

# A grant of the floor's that ends at 1300, asked for at 1000.
_ending := object.union(_granted, {"ends": 1300, "valid_until": 1299})

test_silent_house_leaves_the_end_as_it_is if {
	_life(_ending, {}) == {"ttl": 300, "ends": 1300, "valid_until": 1299}
	_life(_ending, {"claims": {"urn:acme:x": 1}}) == {"ttl": 300, "ends": 1300, "valid_until": 1299}
}

test_life_that_the_house_does_not_shorten_ends_as_it_did if {
	_life(_ending, {"max_ttl": 301}) == {"ttl": 300, "ends": 1300, "valid_until": 1299}
	_life(_granted, {"max_ttl": 301}) == {"ttl": 300, "ends": 0, "valid_until": 1000}
}

test_life_of_what_the_house_allows_holds_until_the_end_is_nearer if {
	_life(_ending, {"max_ttl": 300}) == {"ttl": 300, "ends": 0, "valid_until": 1000}
	_life(_ending, {"max_ttl": 300.9}) == {"ttl": 300, "ends": 0, "valid_until": 1000}
	_life(_ending, {"max_ttl": 299.5}) == {"ttl": 299, "ends": 0, "valid_until": 1001}
	_life(_ending, {"max_ttl": 1}) == {"ttl": 1, "ends": 0, "valid_until": 1299}
}

test_life_of_what_the_house_allows_holds_no_longer_than_the_floor_says if {
	passing := object.union(_ending, {"valid_until": 1000})
	_life(passing, {"max_ttl": 60}) == {"ttl": 60, "ends": 0, "valid_until": 1000}
	_life(_granted, {"max_ttl": 60}) == {"ttl": 60, "ends": 0, "valid_until": 1000}
}

test_floor_that_does_not_say_how_long_it_holds_is_not_believed_to if {
	_life(object.remove(_ending, ["valid_until", "ends"]), {"max_ttl": 60}) == {"ttl": 60, "ends": 0, "valid_until": 0}
	_life(object.remove(_ending, ["valid_until", "ends"]), {"max_ttl": 301}) == {"ttl": 300, "ends": 0, "valid_until": 0}
}

_life(granted, said) := object.filter(decision, ["ttl", "ends", "valid_until"]) if {
	decision := issue.decision with input as {"floor": granted, "house": said}
}

test_house_may_add_claims_of_its_own if {
	_decision({"claims": {"https://acme.example/team": "blue"}}).claims == {"https://acme.example/team": "blue"}
}

test_house_may_require_consent if _codes({"require": {"consent"}}) == {"consent_required"}

test_consent_the_user_gave_answers_that if {
	consented := object.union(_granted, {"consented": true})
	issue.decision.allow with input as {"floor": consented, "house": {"require": {"consent"}}}
}

test_nobody_is_at_hand_to_approve if _codes({"require": {"approval"}}) == {"approval_required"}

test_what_a_person_approved_answers_that if {
	approved := object.union(_granted, {"approved": true})
	issue.decision.allow with input as {"floor": approved, "house": {"require": {"approval"}}}
}

test_nobody_is_at_hand_to_step_up if _codes({"require": {"step_up"}}) == {"step_up_required"}

test_malformed_house_refuses if _codes({"deny": true}) == {"policy_error"}

test_house_that_was_not_asked_refuses if {
	issue.decision.allow == false with input as {"floor": _granted}
}

test_unsound_floor_refuses if {
	unsound := object.union(_granted, {"allow": false})
	issue.reasons == {{"code": "policy_error", "party": "floor"}} with input as {"floor": unsound, "house": {}}
}

_decision(house) := decision if {
	decision := issue.decision with input as {"floor": _granted, "house": house}
}

_codes(house) := {r.code | some r in _decision(house).reasons}

_identified := object.union(_personal, {
	"id_token": {"released": {"openid": {"sub"}, "email": {"email", "email_verified"}}, "ttl": 120},
})

test_silent_house_leaves_the_id_token_as_it_is if {
	_id_token({}) == {"claims": {"sub", "email", "email_verified"}, "ttl": 120}
	not _decision({}).id_token
}

test_house_may_keep_to_itself_who_somebody_is if {
	_id_token({"remove": {"email"}}) == {"claims": {"sub"}, "ttl": 120}
	_id_token({"remove": {"openid"}}) == {}
	decision := issue.decision with input as {"floor": _identified, "house": {"remove": {"email"}}}
	decision.allow
	decision.removed == _personal.removed | {{"code": "scope_removed", "party": "house", "scope": "email"}}
}

test_id_token_lives_no_longer_than_what_the_house_allows if _id_token({"max_ttl": 60}).ttl == 60

_id_token(said) := token if {
	decision := issue.decision with input as {"floor": _identified, "house": said}
	token := decision.id_token
}
