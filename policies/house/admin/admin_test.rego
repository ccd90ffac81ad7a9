# METADATA
# title: Examples of house rules at work
# scope: package
package house.admin_test

import rego.v2

import data.house.admin

test_frozen_client_is_denied if {
	admin.deny == {{
		"code": "client_frozen",
		"value": "agt_a",
	}} with input.client as {"id": "agt_a", "labels": {"frozen": "true"}}
}

test_other_clients_are_not if {
	admin.deny == set() with input.client as {"id": "agt_a", "labels": {}}
}
