# METADATA
# title: Decision API
# description: >-
#   May this subject, through these actors, do this at a service? The client that
#   operates the service asks. A scope is what is done; everybody who takes part must
#   hold it there now, and a user whom somebody acts for must have agreed. With the
#   token that was sent to it the service asks about that token; without one it says
#   itself who acts, and then nobody has approved anything (AuthZEN 1.0).
# scope: package
# schemas:
#   - input: schema.input
package floor.access

import rego.v2

import data.floor.audience
import data.floor.consent
import data.floor.standing
import data.floor.token

# METADATA
# entrypoint: true
decision := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"scopes": permitted,
	"resource": server,
	"index": _index,
}

# METADATA
# description: What was asked about. There is no part of one scope.
permitted contains s if some s in input.request.scopes

default server := ""

server := audience.id

default _index := -1

_index := audience.index

reasons contains r if some r in standing.reasons

reasons contains r if some r in audience.reasons

reasons contains r if {
	by_token
	some r in token.reasons
}

# METADATA
# custom: {lacks: entitlement, who: [requester, resources:write], remedy: Ask about a resource server that the client operates.}
reasons contains {"code": "caller_not_operator", "party": "client", "id": standing.client_id} if {
	not input.resources[audience.index].operator == input.client.id
}

# METADATA
# description: What is asked about is a resource server, whatever else may bear the same name elsewhere.
# custom: {lacks: resource, who: [requester], remedy: "Ask about a resource of type resource_server, by its identifier."}
reasons contains {"code": "resource_unknown", "party": "resource", "value": type} if {
	not input.request.asked.resource_type == "resource_server"
	type := object.get(input, ["request", "asked", "resource_type"], "")
}

# METADATA
# description: Of several, or of none, nobody can say whose it is.
# custom: {lacks: resource, who: [requester], remedy: Name the resource server.}
reasons contains {"code": "resource_required", "party": "resource"} if not _named

# METADATA
# custom: {lacks: token, who: [requester], remedy: "Ask about the service that the token is for, or leave the token out."}
reasons contains {"code": "audience_mismatch", "party": "resource", "id": server} if {
	token.known
	not token.presented.aud.id == audience.id
}

# METADATA
# description: What the service says of the subject must be so, and a token must speak for that subject.
# custom: {lacks: identity, who: [requester], remedy: "Name the subject as it is, and as the token names it."}
reasons contains {"code": "subject_mismatch", "party": "subject", "id": id} if {
	not _subject_meant
	id := object.get(input, ["request", "asked", "subject"], "")
}

# METADATA
# custom: {lacks: identity, who: [requester], remedy: "Name the actors as the token does, or leave them to it."}
reasons contains {"code": "actors_mismatch", "party": "parent"} if {
	token.known
	not _actors_meant
}

# METADATA
# description: Who acts twice acts for themselves; no token has such a chain.
# custom: {lacks: place, who: [requester], remedy: Name each actor once.}
reasons contains {"code": "chain_circular", "party": "actor", "id": id} if {
	some i, id in chain
	id in array.slice(chain, 0, i)
}

# METADATA
# custom: {lacks: depth, who: [requester, operator, resources:write],
#   remedy: "Pass through fewer agents, or raise the limit there."}
reasons contains {"code": "chain_too_deep", "party": "resource", "id": server, "value": depth} if {
	audience.id
	not _within_limit
	depth := sprintf("%d", [count(chain)])
}

# METADATA
# custom: {lacks: request, who: [requester], remedy: Name one scope as the action.}
reasons contains {"code": "scope_required", "party": "client", "id": standing.client_id} if {
	not count(audience.asked) == 1
}

# METADATA
# custom: {lacks: scope, who: [requester, operator, resources:write],
#   remedy: "Define the scope there, or ask about one that is."}
reasons contains {"code": "scope_unknown", "party": "resource", "id": server, "scope": s} if {
	some s in audience.asked
	not input.resources[audience.index].scopes[s].risk in audience.risks
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: Assign the subject a role with the scope.}
reasons contains {"code": "scope_not_held", "party": "subject", "id": standing.subject_id, "scope": s} if {
	some s in audience.asked
	not input.subject.scopes[server][s][0]
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: Assign the actor a role with the scope.}
reasons contains {"code": "scope_not_held", "party": "actor", "id": id, "scope": s} if {
	some s in audience.asked
	some i, id in chain
	not input.chain[i].scopes[server][s][0]
}

# METADATA
# custom: {lacks: scope, who: [requester], remedy: Get a token that carries the scope.}
reasons contains {"code": "insufficient_scope", "party": "parent", "scope": s} if {
	token.known
	some s in audience.asked
	not s in token.presented.own
}

# METADATA
# custom: {lacks: scope, who: [subject], remedy: Ask the user for consent to the scope.}
reasons contains {"code": "scope_not_consented", "party": "consent", "id": standing.subject_id, "scope": s} if {
	some s in audience.asked
	not _agreed(s)
}

# METADATA
# description: >-
#   What is risky is approved each time, in a token. Without one nobody approved it,
#   not even for a user who is said to act alone.
# custom: {lacks: approval, who: [requester, subject, resources:write],
#   remedy: "Ask with a token that the user approved for this, or lower the risk of the scope there."}
reasons contains {"code": "approval_required", "party": "subject", "id": standing.subject_id, "scope": s} if {
	not consent.unneeded
	some s in audience.asked
	input.resources[audience.index].scopes[s].risk == "high"
	not consent.approved(server, s)
}

# METADATA
# description: The name of the action lifts restrictions elsewhere, so it must be this one.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "action_unknown", "value": name} if {
	not input.action.name == "access:evaluation"
	name := object.get(input, ["action", "name"], "")
}

# METADATA
# scope: document
# description: Whether a token was sent along, be it one that can be read or not.
by_token if input.token

by_token if input.request.token_problem

# METADATA
# description: Who acts, outermost first, as the token says, or, without one, the service.
chain := standing.presented.chain if is_array(standing.presented.chain)

_named if {
	is_array(input.request.resources)
	count(input.request.resources) == 1
}

_within_limit if {
	is_number(input.resources[audience.index].max_depth)
	count(chain) <= input.resources[audience.index].max_depth
}

_subject_meant if {
	input.subject.id == input.request.asked.subject
	input.subject.kind == input.request.asked.type
}

# Whoever sends a token need not say what it says.
_actors_meant if not input.request.asked.chain

_actors_meant if input.request.asked.chain == token.presented.chain

_agreed(s) if consent.agreed(server, s)

_agreed(_) if alone

_agreed(s) if {
	some agreement in agreements
	_leads_to(agreement, s)
}

# METADATA
# description: A user who is there themselves needs nobody's consent. Nobody may be left out for that.
alone if {
	not by_token
	chain == []
}

# METADATA
# description: What the user agreed to, for the client that is said to have begun.
agreements contains agreement if {
	not by_token
	some agreement in input.consents
	consent.live(agreement)
}

# First hand the user was asked about the scope itself; what is handed on follows from it.
_leads_to(agreement, s) if {
	count(chain) == 1
	agreement.resource == server
	agreement.scopes[s] == true
}

_leads_to(agreement, s) if {
	count(chain) > 1
	agreement.reach[server][s][0]
}
