# METADATA
# title: House rules for issuing tokens
# description: >-
#   Yours to edit. House policy can only narrow what the floor grants: add to
#   deny, remove or require, or lower max_ttl. See docs/policies.md.
# scope: package
package house.issue

import rego.v2

# METADATA
# title: Frozen clients get nothing
# description: Label a client `frozen=true` to stop its tokens without suspending it.
# custom: {remedy: Take the label off the client., who: [clients:write]}
deny contains {"code": "client_frozen", "value": input.client.id} if input.client.labels.frozen == "true"

# METADATA
# title: Short lives for risky scopes
# description: A token that carries a high-risk scope lives at most five minutes.
max_ttl := 300 if {
	some scope in input.granted
	input.resource.scopes[scope].risk == "high"
}

# METADATA
# title: Scopes kept from a client
# description: Label a client `without=<scope>` to keep one scope from it, whatever its roles say.
# custom: {remedy: Take the label off the client., who: [clients:write]}
remove contains {"scope": scope, "code": "scope_withheld"} if {
	scope := input.client.labels.without
	scope in input.granted
}
