# METADATA
# title: Everyday questions and their answers
# scope: package
package floor.everyday_test

import rego.v2

import data.floor.everyday
import data.floor.fixtures
import data.floor.introspect
import data.floor.issue

_own := fixtures.plus(fixtures.credentials, "request/grant_type", "client_credentials")

_handed := fixtures.plus(fixtures.relay, "request/grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")

_presented := object.union(object.remove(fixtures.inspection, ["consent"]), {
	"request": {"scopes": [], "resources": []}, "resources": [], "credential": fixtures.credentials.credential,
	"subject": fixtures.but(fixtures.relay.subject, "scopes", {"rsv_relay": {"relay:run": ["rol_1"]}}),
	"token": object.union(fixtures.inspection.token, {"subject": "agt_root"}),
})

test_agent_asks_for_itself if {
	everyday.answer == {
		"allow": true, "reasons": set(), "scopes": {"sales:read"}, "resource": "rsv_sales", "audience": "https://sales",
		"index": 0, "ttl": 300, "ends": 0, "valid_until": 8700, "subject": "agt_reporter", "chain": [], "consented": false,
		"removed": set(), "narrows": false, "refreshable": false, "id_token": {}, "approved": false, "details": set(), "through": {},
	} with input as _own
}

test_agent_asks_for_another if {
	everyday.answer == {
		"allow": true, "reasons": set(), "scopes": {"sales:read"}, "resource": "rsv_sales", "audience": "https://sales",
		"index": 0, "ttl": 300, "ends": 0, "valid_until": 4700, "subject": "agt_root", "chain": ["agt_relay", "agt_near", "agt_far"],
		"consented": false, "removed": set(), "narrows": false, "refreshable": false, "id_token": {}, "approved": false, "details": set(), "through": {},
	} with input as _handed
}

test_holder_asks_itself if {
	question := object.union(_handed, {"client": object.union(_handed.client, {"id": "agt_root"})})
	held := object.union(question, {"chain": [], "parent": object.union(question.parent, {"client": "agt_root", "chain": []})})
	everyday.answer.chain == ["agt_root"] with input as held
}

test_service_looks_at_a_token if {
	seen := everyday.seen with input as _presented
	_timeless(seen) == {"allow": true, "reasons": set(), "scopes": {"relay:run"}, "details": set()}
	seen.valid_until == 4999
}

# The shorter way must be a way to the same.
test_everyday_answers_are_thorough_ones if {
	every question in [_own, _handed] {
		short := everyday.answer with input as question
		long := issue.thorough with input as question
		_timeless(short) == _timeless(long)
		issue.decision == everyday.answer with input as question
	}
	seen := everyday.seen with input as _presented
	_timeless(seen) == introspect.thorough with input as _presented
	introspect.decision == everyday.seen with input as _presented
}

_timeless(answer) := object.remove(answer, ["valid_until"])

# Whatever ends first ends a token that is handed on, and the answer holds until then.
test_answer_ends_with_whoever_ends_first if {
	every pointer in [
		"client/expires_at", "client/owner/expires_at", "subject/expires_at", "subject/owner/expires_at",
		"chain/1/expires_at", "chain/1/owner/expires_at", "parent/exp", "parent/grant/expires_at",
	] {
		_life(_handed, pointer, 1500) == {"ttl": 300, "ends": 0, "valid_until": 1200}
		_life(_handed, pointer, 1301) == {"ttl": 300, "ends": 0, "valid_until": 1001}
		_life(_handed, pointer, 1300) == {"ttl": 300, "ends": 0, "valid_until": 1000}
		_life(_handed, pointer, 1299) == {"ttl": 299, "ends": 1299, "valid_until": 1298}
		_life(_handed, pointer, 1001) == {"ttl": 1, "ends": 1001, "valid_until": 1000}
		not _life(_handed, pointer, 1000)
	}
}

test_client_near_its_end_is_no_everyday_matter if {
	every pointer in ["client/expires_at", "client/owner/expires_at"] {
		_life(_own, pointer, 1500) == {"ttl": 300, "ends": 0, "valid_until": 1200}
		_life(_own, pointer, 1300) == {"ttl": 300, "ends": 0, "valid_until": 1000}
		not _life(_own, pointer, 1299)
	}
}

_life(question, pointer, end) := object.filter(answer, ["ttl", "ends", "valid_until"]) if {
	answer := everyday.answer with input as fixtures.but(question, pointer, end)
}

test_sight_ends_with_whoever_ends_first if {
	every pointer in [
		"client/expires_at", "client/owner/expires_at", "subject/expires_at", "subject/owner/expires_at",
		"chain/1/expires_at", "chain/1/owner/expires_at", "token/exp", "token/grant/expires_at",
	] {
		soon := fixtures.but(_presented, pointer, 1100)
		everyday.seen.valid_until == 1099 with input as soon
		over := fixtures.but(_presented, pointer, 1000)
		not everyday.seen with input as over
	}
}

# Facts that make no difference to what may be granted.
_aside := [
	"client/name", "client/labels", "client/defaults", "client/owner/id", "client/scopes/rsv_sales/sales:read/*",
	"client/grant_types/*", "subject/name", "subject/labels", "subject/defaults", "subject/max_ttl", "subject/owner/id",
	"subject/grant_types", "chain/*/name", "chain/*/labels", "chain/*/defaults", "chain/*/max_ttl", "chain/*/owner/id",
	"chain/*/grant_types", "resources/*/name", "resources/*/operator", "parent/txn", "parent/own",
	"parent/aud/id", "parent/grant/id", "token/txn", "token/scopes", "token/grant/id", "request", "resources",
]

test_any_other_missing_fact_is_no_everyday_matter if {
	every question in [_own, _handed] {
		every pointer in fixtures.facts(question, _aside) {
			less := fixtures.without(question, pointer)
			not everyday.answer with input as less
		}
	}
	every pointer in fixtures.facts(_presented, array.concat(_aside, ["client/max_ttl", "client/grant_types", "client/scopes"])) {
		less := fixtures.without(_presented, pointer)
		not everyday.seen with input as less
	}
}

test_anything_more_is_no_everyday_matter if {
	every question in [_own, _handed] {
		every more in [["consent", fixtures.assist.consent], ["token", fixtures.relay.parent], ["request/requested_ttl", 60]] {
			asked := fixtures.plus(question, more[0], more[1])
			not everyday.answer with input as asked
		}
	}
}

test_subject_without_a_name_is_no_everyday_matter if {
	handed := fixtures.but(fixtures.but(_handed, "subject/id", ""), "parent/subject", "")
	not everyday.answer with input as handed
	presented := fixtures.but(fixtures.but(_presented, "subject/id", ""), "token/subject", "")
	not everyday.seen with input as presented
}

test_users_are_no_everyday_matter if {
	not everyday.answer with input as fixtures.but(_handed, "subject/kind", "user")
	not everyday.seen with input as fixtures.inspection
}

test_what_is_refused_is_no_everyday_matter if {
	every change in [
		["client/status", "suspended"], ["client/owner/status", "suspended"], ["subject/status", "suspended"],
		["chain/0/status", "suspended"], ["chain/1/owner/status", "suspended"], ["chain/0/id", "agt_other"],
		["client/kind", "user"], ["chain/0/kind", "user"], ["client/id", "agt_far"], ["subject/id", "agt_other"],
		["client/grant_types", []], ["client/scopes", {}], ["subject/scopes", {}], ["chain/1/scopes", {}], ["parent/scopes", {}],
		["parent/iat", 1061], ["parent/revoked", true], ["parent/grant/revoked", true], ["parent/aud/status", "suspended"],
		["parent/aud/operator", "agt_other"], ["parent/client", "agt_other"], ["parent/chain", ["agt_near"]],
		["resources/0/status", "suspended"], ["resources/0/max_depth", 2], ["resources/0/identifier", "https://other"],
		["resources/0/scopes", {}], ["request/resources", []], ["request/scopes", []], ["request/scopes", ["sales:export"]],
		["credential/id", ""], ["credential/method", "none"], ["v", 2], ["client/max_ttl", 0],
	] {
		asked := fixtures.but(_handed, change[0], change[1])
		not everyday.answer with input as asked
	}
}
