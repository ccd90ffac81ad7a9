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

import data.floor.standing

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

# Who somebody is, is asked for beside something else or alone.
index := who if {
	_named == 0
	connect
	count(_decisive) == 0
}

index := i if {
	_named == 0
	connect
	count(_decisive) > 0
	count(_others) == 1
	some i in _others
}

# With a single candidate the request is judged there, and the refusal, if any,
# can name the scopes that are the trouble.
index := 0 if {
	_named == 0
	count(input.resources) == 1
}

fitting contains i if {
	some i, _ in input.resources
	count(_decisive) > 0
	every s in _decisive {
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
# scope: document
# description: Whether a client asks a person who they are (OpenID Connect Core section 3.1.2.1).
connect if {
	standing.visiting
	"openid" in input.request.scopes
}

# METADATA
# description: Position of Deputy's userinfo endpoint, whose id is fixed.
who := i if {
	some i, _ in input.resources
	input.resources[i].id == "rsv_openid"
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
asked := [s | some s in input.request.scopes; not _ignored(s)] if is_array(input.request.scopes)

# Whether access goes on without the user is set up with the client, not asked for.
_ignored("offline_access") if {
	standing.visiting
	count(input.request.scopes) > 1
}

# Who asks who somebody is may ask for what is not understood (OpenID Connect Core section 3.1.2.1).
_ignored(s) if {
	connect
	s != "openid"
	not _understood[s]
}

_understood contains s if {
	some r in input.resources
	some s, scope in r.scopes
	scope.risk in risks
}

# Scopes that tell which server is meant.
_decisive := asked if not connect

_decisive := [s | some s in asked; not input.resources[who].scopes[s]] if connect

_others := {i | some i, _ in input.resources; i != who}

_named := count(input.request.resources) if is_array(input.request.resources)
