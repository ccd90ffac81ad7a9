# METADATA
# title: Examples of house rules at work
# description: Each test gives only the facts its rule reads.
# scope: package
package house.issue_test

import rego.v2

import data.house.issue

test_frozen_client_is_denied if {
	issue.deny == {{
		"code": "client_frozen",
		"value": "agt_a",
	}} with input.client as {"id": "agt_a", "labels": {"frozen": "true"}}
}

test_other_clients_are_not if {
	issue.deny == set() with input.client as {"id": "agt_a", "labels": {"team": "blue"}}
}

test_risky_scope_shortens_the_life if {
	issue.max_ttl == 300 with input.granted as ["sales:export"]
		with input.resource.scopes as {"sales:export": {"risk": "high"}}
}

test_other_scopes_do_not if {
	not issue.max_ttl with input.granted as ["sales:read"]
		with input.resource.scopes as {"sales:read": {"risk": "low"}, "sales:export": {"risk": "high"}}
}

test_withheld_scope_is_removed if {
	issue.remove == {{
		"scope": "sales:read",
		"code": "scope_withheld",
	}} with input.client.labels as {"without": "sales:read"}
		with input.granted as ["sales:read", "sales:list"]
}

test_nothing_else_is_removed if {
	issue.remove == set() with input.client.labels as {"without": "sales:export"}
		with input.granted as ["sales:read", "sales:list"]
}
