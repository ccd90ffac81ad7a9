package floor.offer

import rego.v2

import data.floor.audience
import data.floor.details
import data.floor.standing

# METADATA
# description: >-
#   Authorization details that a client asks a user for, at every chosen server that
#   knows their type, by their place in the request.
detail_offers contains {
	"resource": input.resources[i].id,
	"index": n,
	"type": input.request.details[n].type,
	"scope": _type(i, n).scope,
	"risk": _type(i, n).risk,
	"state": _detail_state([i, n]),
	"reasons": object.get(detail_lacks, [[i, n]], set()),
} if {
	some [i, n] in detailed
}

# METADATA
# description: Pairs of server and place in the request.
detailed contains [i, n] if {
	some i in chosen
	some n, _ in input.request.details
	_type(i, n).risk in audience.risks
}

# METADATA
# description: Who sent the code to whom, nobody knows of a device.
# custom: {lacks: approval, who: [requester, resources:write],
#   remedy: "Ask for less, ask in another way, or lower the risk of the type there."}
detail_lacks[[i, n]] contains {"code": "approval_required", "party": "subject", "id": standing.subject_id, "value": t} if {
	some [i, n] in detailed
	t := input.request.details[n].type
	_too_risky(_type(i, n))
}

# METADATA
# custom: {lacks: scope, who: [requester, owner, roles:assign], remedy: "Ask for the scope of the type as well, and let both hold it."}
detail_lacks[[i, n]] contains {"code": "details_scope_missing", "party": "client", "id": standing.client_id, "scope": s} if {
	some [i, n] in detailed
	s := _type(i, n).scope
	not _can_be_granted(i, s)
}

# METADATA
# description: A scope is not offered without any of the details that are asked for through it.
# custom: {lacks: details, who: [requester, resources:write], remedy: "Ask for details that can be granted, or for another scope."}
lacks[[i, s]] contains {"code": "details_missing", "party": "resource", "id": input.resources[i].id, "scope": s} if {
	some [i, s] in wanted
	[input.resources[i].id, s] in through
	not _some_detail(i, s)
}

_some_detail(at, s) if {
	some n
	detailed[[at, n]]
	_type(at, n).scope == s
	not _too_risky(_type(at, n))
}

_too_risky(kind) if {
	input.approval.kind == "device"
	kind.risk == "high"
}

# METADATA
# description: A type that no chosen server knows is not shown to the user. The client is told.
# custom: {lacks: details, who: [requester, operator, resources:write], remedy: "Register the type there, or ask for one that is."}
reasons contains {"code": "details_type_unknown", "party": "resource", "value": type} if {
	some n, d in input.request.details
	not n in {place | some [_, place] in detailed}
	type := object.get(d, "type", "")
}

# METADATA
# description: Pairs of server and scope through which details are asked for.
through contains [input.resources[i].id, _type(i, n).scope] if some [i, n] in detailed

_type(i, n) := input.resources[i].types[input.request.details[n].type]

_can_be_granted(i, s) if {
	[i, s] in wanted
	not lacks[[i, s]]
}

_detail_state(pair) := "greyed" if {
	count(detail_lacks[pair]) > 0
} else := "granted" if {
	_agreed[pair]
} else := "offered"

# Whoever is asked for one request, or for what is risky, is asked each time.
_agreed contains [i, n] if {
	not standing.away
	some [i, n] in detailed
	_type(i, n).risk != "high"
	some c in _live
	c.resource == input.resources[i].id
	some by in c.details
	details.covers(input.resources[i].types, input.request.details[n], by)
}
