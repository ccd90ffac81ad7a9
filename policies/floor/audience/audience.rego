# METADATA
# title: Audience
# description: >-
#   Every token is locked to exactly one registered, active resource server: the
#   one the request names (RFC 8707), or, if it names none, the only one that fits.
# scope: package
# schemas:
#   - input: schema.input
package floor.audience

import rego.v2

# METADATA
# scope: document
# description: Position in input.resources of the server the token is for.
index := i if {
	_named == 1
	some i, _ in input.resources
	input.resources[i].identifier == input.request.resources[0]
}

index := i if {
	_named == 0
	count(fitting) == 1
	some i in fitting
}

# With a single candidate the request is judged there, and the refusal, if any,
# can name the scopes that are the trouble.
index := 0 if {
	_named == 0
	count(input.resources) == 1
}

fitting contains i if {
	some i, _ in input.resources
	count(asked) > 0
	every s in asked {
		input.resources[i].scopes[s].risk in risks
		input.client.scopes[input.resources[i].id][s][0]
	}
}

fitting contains i if {
	some i, _ in input.resources
	count(asked) == 0
	input.client.defaults[input.resources[i].id][0]
}

# METADATA
# description: A resource server knows a scope if it says how risky it is.
risks := {"low", "medium", "high"}

id := input.resources[index].id if is_string(input.resources[index].id)

identifier := input.resources[index].identifier if is_string(input.resources[index].identifier)

# METADATA
# custom: {lacks: resource, who: [requester], remedy: Name one resource server; get a token for each.}
reasons contains {"code": "resource_several", "party": "resource"} if _named > 1

# METADATA
# custom: {lacks: resource, who: [requester, resources:write],
#   remedy: "Name a registered resource server, or register this one."}
reasons contains {"code": "resource_unknown", "party": "resource", "value": uri} if {
	_named == 1
	not id
	uri := input.request.resources[0]
}

# METADATA
# custom: {lacks: resource, who: [requester], remedy: Name the resource server.}
reasons contains {"code": "resource_required", "party": "resource"} if {
	not _named > 0
	not id
	not _ambiguous
}

# METADATA
# custom: {lacks: resource, who: [requester], remedy: Name one of the resource servers that fit.}
reasons contains {"code": "resource_ambiguous", "party": "resource"} if _ambiguous

# METADATA
# custom: {lacks: status, who: [operator, resources:write], remedy: Restore the resource server.}
reasons contains {"code": "resource_inactive", "party": "resource", "id": id} if {
	not input.resources[index].status == "active"
}

# METADATA
# custom: {lacks: resource, who: [requester, resources:write],
#   remedy: "Name a registered resource server, or register this one."}
reasons contains {"code": "resource_unknown", "party": "resource"} if {
	id
	not identifier
}

_ambiguous if {
	_named == 0
	count(fitting) > 1
}

# METADATA
# description: Scopes the request names. A list that cannot be read is not an empty list.
asked := input.request.scopes if is_array(input.request.scopes)

_named := count(input.request.resources) if is_array(input.request.resources)
