# METADATA
# title: What is left of who a user is
# scope: package
package compose.userinfo_test

import rego.v2

import data.compose.userinfo

_seen := {
	"allow": true, "reasons": set(), "scopes": {"openid", "email"},
	"released": {"openid": {"sub"}, "email": {"email", "email_verified"}},
}

test_silent_house_leaves_the_floor_as_it_is if {
	_decision(_seen, {}) == {
		"allow": true, "reasons": set(), "scopes": {"openid", "email"},
		"release": {"sub", "email", "email_verified"}, "removed": set(),
	}
}

test_refusal_of_the_floor_stands if {
	refused := {"allow": false, "reasons": {{"code": "token_revoked", "party": "parent"}}, "scopes": set(), "released": {}}
	decision := _decision(refused, {})
	not decision.allow
	decision.release == set()
	decision.reasons == refused.reasons
}

test_house_may_deny if _decision(_seen, {"deny": {"closed"}}).reasons == {{"code": "closed", "party": "house"}}

test_house_may_keep_something_to_itself if {
	decision := _decision(_seen, {"remove": {"email"}})
	decision.allow
	decision.scopes == {"openid"}
	decision.release == {"sub"}
	decision.removed == {{"code": "scope_removed", "party": "house", "scope": "email"}}
}

test_without_openid_there_is_nobody_to_show if {
	decision := _decision(_seen, {"remove": {"openid"}})
	decision.reasons == {{"code": "scope_removed", "party": "house", "scope": "openid"}}
}

test_unsound_floor_refuses if {
	_decision({"allow": true}, {}).reasons == {{"code": "policy_error", "party": "floor"}}
}

_decision(floor, house) := decision if {
	decision := userinfo.decision with input as {"floor": floor, "house": house}
}
