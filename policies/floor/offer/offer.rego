# METADATA
# title: Offer
# description: >-
#   What a user can be asked to let a client do: every scope the client asks for at
#   every resource server it names. What was consented to is granted, what both hold
#   is offered, and what either lacks is greyed, with the reason.
# scope: package
# schemas:
#   - input: schema.input
package floor.offer

import rego.v2

import data.floor.audience
import data.floor.standing

# No consent lasts longer than a year, what is approved for one request not longer than
# a day, and what a machine may do once not longer than an hour.
longest := 3600 if {
	standing.machine
} else := 86400 if {
	standing.away
} else := 31536000

# METADATA
# scope: document
# description: Positions of the servers it is about, all that are named or the only one that fits.
chosen contains i if {
	some i, _ in input.resources
	input.resources[i].identifier in input.request.resources
}

chosen contains i if i := audience.index

# Who they are, they are asked besides.
chosen contains i if {
	audience.connect
	i := audience.who
}

# METADATA
# scope: document
# description: Pairs of server and scope. Nothing requested means what the client was set up with.
wanted contains [i, s] if {
	some i in chosen
	some s in audience.asked
	_defined(i, s)
}

wanted contains [i, s] if {
	count(audience.asked) == 0
	some i in chosen
	some s in input.client.defaults[input.resources[i].id]
	_defined(i, s)
}

offers contains {
	"resource": input.resources[i].id,
	"scope": s,
	"risk": input.resources[i].scopes[s].risk,
	"state": _state([i, s]),
	"reasons": object.get(lacks, [[i, s]], set()),
} if {
	some [i, s] in wanted
}

# METADATA
# description: The scopes that may become granted, at any server.
names := {o.scope | some o in offers; o.state in {"granted", "offered"}}

# METADATA
# description: The moment until which a consent may last at most.
until := min(_ends)

_ends contains standing.now + longest

_ends contains input.client.expires_at

_ends contains input.client.owner.expires_at

_ends contains input.subject.expires_at

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign],
#   remedy: "Assign the client a role with the scope, or ask for less."}
lacks[[i, s]] contains {"code": "scope_not_held", "party": "client", "id": standing.client_id, "scope": s} if {
	some [i, s] in wanted
	not input.client.scopes[input.resources[i].id][s][0]
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign],
#   remedy: "Assign the subject a role with the scope, or ask for less."}
lacks[[i, s]] contains {"code": "scope_not_held", "party": "subject", "id": standing.subject_id, "scope": s} if {
	not standing.machine # whose rights count is said where it is issued
	some [i, s] in wanted
	not input.subject.scopes[input.resources[i].id][s][0]
}

# METADATA
# description: Who sent the code to whom, nobody knows of a device.
# custom: {lacks: approval, who: [requester, resources:write],
#   remedy: "Ask for less, ask in another way, or lower the risk of the scope there."}
lacks[[i, s]] contains {"code": "approval_required", "party": "subject", "id": standing.subject_id, "scope": s} if {
	input.approval.kind == "device"
	some [i, s] in wanted
	input.resources[i].scopes[s].risk == "high"
}

# METADATA
# description: What no chosen server defines is not shown to the user. The client is told.
# custom: {lacks: scope, who: [requester, operator, resources:write],
#   remedy: "Define the scope there, or ask for one that is."}
reasons contains {"code": "scope_unknown", "party": "resource", "scope": s} if {
	some s in audience.asked
	not _anywhere[s]
}

# METADATA
# custom: {lacks: scope, who: [requester, clients:write], remedy: "Name a scope, or set the client a default there."}
reasons contains {"code": "scope_required", "party": "client", "id": standing.client_id} if {
	not count(audience.asked) > 0
	count(wanted) == 0
}

# METADATA
# custom: {lacks: resource, who: [requester, resources:write],
#   remedy: "Name a registered resource server, or register this one."}
reasons contains {"code": "resource_unknown", "party": "resource", "value": uri} if {
	some uri in input.request.resources
	not uri in {r.identifier | some r in input.resources; r != null}
}

# METADATA
# custom: {lacks: status, who: [operator, resources:write], remedy: Restore the resource server.}
reasons contains {"code": "resource_inactive", "party": "resource", "id": input.resources[i].id} if {
	some i in chosen
	not input.resources[i].status == "active"
}

# Several servers may be asked for at once. A token is for one of them.
reasons contains r if {
	some r in audience.reasons
	r.code != "resource_several"
}

_defined(i, s) if input.resources[i].scopes[s].risk in audience.risks

_anywhere contains s if some [_, s] in wanted

_state(pair) := "greyed" if {
	count(lacks[pair]) > 0
} else := "granted" if {
	_consented[pair]
} else := "offered"

# Whoever is asked for one request, or for what is risky, is asked each time.
_consented contains [i, s] if {
	not standing.away
	some [i, s] in wanted
	input.resources[i].scopes[s].risk != "high"
	some c in _live
	c.resource == input.resources[i].id
	c.scopes[s] == true
}

_live contains c if {
	some c in input.consents
	c.revoked == false
	standing.unexpired(c.expires_at)
	c.redirects_ok == true
	c.approval == ""
	c.subject == input.subject.id
	c.client == input.client.id
}
