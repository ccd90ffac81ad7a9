# METADATA
# title: Reading what house policy said
# scope: package
package compose.house_test

import rego.v2

import data.compose.house

test_house_that_says_nothing_changes_nothing if {
	house.reasons == set() with input.house as {}
	house.removals == {} with input.house as {}
}

test_denial_may_be_a_name if {
	house.reasons == {{"code": "closed", "party": "house"}} with input.house as {"deny": {"closed"}}
}

test_denial_may_say_more if {
	house.reasons == {{
		"code": "closed",
		"party": "house",
		"value": "sunday",
	}} with input.house as {"deny": {{"code": "closed", "value": "sunday"}}}
}

test_house_speaks_for_itself_only if {
	house.reasons == {{
		"code": "client_inactive",
		"party": "house",
	}} with input.house as {"deny": {{"code": "client_inactive", "party": "client"}}}
}

test_removals_of_either_form_are_well_formed if {
	_malformed({"remove": {"sales:list", {"scope": "sales:read"}, {"scope": "sales:edit", "code": "withheld"}}}) == set()
}

test_removal_may_be_a_name if {
	house.removals == {"sales:read": {{
		"code": "scope_removed",
		"party": "house",
		"scope": "sales:read",
	}}} with input.house as {"remove": {"sales:read"}}
}

test_types_of_details_may_be_removed if {
	_malformed({"remove": {{"details": "payment"}, {"details": "transfer", "code": "closed"}}}) == set()
	house.detail_removals == {
		"payment": {{"code": "details_removed", "party": "house", "value": "payment"}},
		"transfer": {{"code": "closed", "party": "house", "value": "transfer"}},
	} with input.house as {"remove": {{"details": "payment"}, {"details": "transfer", "code": "closed", "party": "client"}}}
	every r in [{"details": 1}, {"details": "a", "scope": "b"}, {"details": "a", "code": 1}, {"scope": "b", "details": 1}] {
		_malformed({"remove": {r}}) == {"remove"}
	}
}

test_removal_may_say_why if {
	house.removals == {"sales:read": {{
		"code": "withheld",
		"party": "house",
		"scope": "sales:read",
	}}} with input.house as {"remove": {{"scope": "sales:read", "code": "withheld", "party": "client"}}}
}

test_removal_that_does_not_say_why_is_still_one if {
	house.removals == {"sales:read": {{
		"code": "scope_removed",
		"party": "house",
		"scope": "sales:read",
	}}} with input.house as {"remove": {{"scope": "sales:read"}}}
}

test_house_may_name_its_own_claims if {
	house.reasons == set() with input.house as {"claims": {"https://acme.example/team": "blue", "urn:acme:x": 1}}
}

test_house_may_shorten_lives if house.reasons == set() with input.house as {"max_ttl": 1}

test_house_may_require_what_is_known if {
	house.reasons == set() with input.house as {"require": {"consent", "approval", "step_up"}}
}

test_house_must_have_been_asked if {
	_malformed(null) == {"house"}
	house.malformed == {"house"} with input as {}
}

# Whatever was meant to narrow and cannot be read refuses.
test_deny_must_be_a_set if _malformed({"deny": true}) == {"deny"}

test_deny_must_hold_reasons if _malformed({"deny": {1}}) == {"deny"}

test_denial_must_have_a_code if _malformed({"deny": {{"value": "sunday"}}}) == {"deny"}

test_code_of_a_denial_is_a_name if _malformed({"deny": {{"code": 1}}}) == {"deny"}

test_remove_must_be_a_set if _malformed({"remove": ["sales:read"]}) == {"remove"}

test_remove_must_hold_scopes if _malformed({"remove": {1}}) == {"remove"}

test_removal_must_have_a_scope if _malformed({"remove": {{"code": "withheld"}}}) == {"remove"}

test_code_of_a_removal_is_a_name if _malformed({"remove": {{"scope": "sales:read", "code": 1}}}) == {"remove"}

test_require_must_be_a_set if _malformed({"require": "consent"}) == {"require"}

test_require_must_hold_what_is_known if _malformed({"require": {"luck"}}) == {"require"}

test_max_ttl_must_be_a_number if _malformed({"max_ttl": "5m"}) == {"max_ttl"}

test_max_ttl_must_be_positive if {
	every ttl in [0, -5, 0.5] {
		_malformed({"max_ttl": ttl}) == {"max_ttl"}
	}
}

test_max_ttl_false_is_not_absent if _malformed({"max_ttl": false}) == {"max_ttl"}

test_claims_must_be_an_object if _malformed({"claims": ["sub"]}) == {"claims"}

test_claim_must_not_pass_for_one_of_the_token if _malformed({"claims": {"sub": "usr_admin"}}) == {"claims"}

test_malformed_is_a_policy_error if {
	house.reasons == {{
		"code": "policy_error",
		"party": "house",
		"value": "deny",
	}} with input.house as {"deny": true}
}

_malformed(said) := keys if {
	keys := house.malformed with input.house as said
}
