# METADATA
# title: Delegation
# description: >-
#   The authenticated client is the actor, always. Each exchange puts it in front
#   of the chain it was handed; nobody is dropped, nobody appears twice, and the
#   chain stays within the resource server's limit.
# scope: package
# schemas:
#   - input: schema.input
package floor.delegation

import rego.v2

import data.floor.audience
import data.floor.standing

# No configuration lifts a chain above this many actors.
ceiling := 8

# METADATA
# scope: document
# description: Whom the new token speaks for.
subject := input.client.id if standing.autonomous

subject := input.authorization.subject if standing.personal

subject := input.parent.subject if not standing.first

# METADATA
# scope: document
# description: Actors of the new token, outermost first (the nested act claim of RFC 8693).
chain := [] if standing.autonomous

# Whoever a person lets act for them stands in the chain, whatever kind of client
# it is: what is said of it is said of the token.
chain := [input.client.id] if standing.personal

# The holder of a delegated token is its current actor already.
chain := input.parent.chain if _holder_acts

chain := array.concat([input.client.id], input.parent.chain) if {
	not standing.first
	not _holder_acts
	is_array(input.parent.chain)
}

_holder_acts if {
	not standing.first
	input.parent.chain[0] == input.client.id
}

# METADATA
# custom: {lacks: entitlement, who: [requester],
#   remedy: "Let its holder exchange the token, or the service it was sent to."}
reasons contains {"code": "not_entitled", "party": "client", "id": standing.client_id} if {
	not standing.first
	not entitled
}

# METADATA
# scope: document
# description: Who may exchange a token. Its holder may, and the service it was sent to.
entitled if input.parent.client == input.client.id

entitled if input.parent.aud.operator == input.client.id

# METADATA
# custom: {lacks: place, who: [requester], remedy: Go on with the token that this agent had before.}
reasons contains {"code": "chain_circular", "party": "actor", "id": standing.client_id} if {
	chain
	not _nobody_twice
}

_nobody_twice if count({id | some id in chain}) == count(chain)

# METADATA
# description: An unknown audience has no limit to compare with, and is refused as such.
# custom: {lacks: depth, who: [requester, operator, resources:write],
#   remedy: "Pass through fewer agents, or raise the limit there."}
reasons contains {"code": "chain_too_deep", "party": "resource", "id": audience.id, "value": depth} if {
	not _within_limit
	depth := sprintf("%d", [count(chain)])
}

# METADATA
# custom: {lacks: identity, who: [requester], remedy: Get another token.}
reasons contains {"code": "chain_unknown", "party": "parent"} if not chain

_within_limit if {
	is_number(input.resources[audience.index].max_depth)
	count(chain) <= input.resources[audience.index].max_depth
	count(chain) <= ceiling
}

# METADATA
# description: >-
#   RFC 8693 actor_token: it can only confirm what the client proved already.
# custom: {lacks: token, who: [requester], remedy: "Leave actor_token out, or send a live token of its own."}
reasons contains {"code": "actor_token_foreign", "party": "client", "id": standing.client_id} if {
	input.request.actor_token
	not _own_actor_token
}

_own_actor_token if {
	not input.request.actor_token.problem
	input.request.actor_token.client == input.client.id
	input.request.actor_token.subject == input.client.id
	input.request.actor_token.chain == []
	input.request.actor_token.revoked == false
	standing.unexpired(input.request.actor_token.exp)
}
