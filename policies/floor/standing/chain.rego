package floor.standing

import rego.v2

# METADATA
# description: >-
#   Position by position: a chain that misses a member's facts has no standing.
# custom: {lacks: identity, who: [requester], remedy: Get a token whose chain holds only agents that are still there.}
reasons contains {"code": "actor_unknown", "party": "actor", "id": id} if {
	some i, id in presented.chain
	not input.chain[i].id == id
}

# METADATA
# custom: {lacks: status, who: [owner, clients:suspend],
#   remedy: "Restore the actor, or get a token without it in its chain."}
reasons contains {"code": "actor_inactive", "party": "actor", "id": id, "value": status} if {
	some i, id in presented.chain
	not input.chain[i].status == "active"
	status := object.get(input, ["chain", i, "status"], "unknown")
}

# METADATA
# custom: {lacks: term, who: [owner, clients:write], remedy: "Give the actor a later end, or get a token without it."}
reasons contains {"code": "actor_expired", "party": "actor", "id": id} if {
	some i, id in presented.chain
	not unexpired(input.chain[i].expires_at)
}

# METADATA
# custom: {lacks: owner, who: [clients:write, users:suspend],
#   remedy: "Give the actor an active owner, or restore its own."}
reasons contains {"code": "actor_owner_inactive", "party": "actor", "id": id} if {
	some i, id in presented.chain
	not answered_for(input.chain[i].kind, input.chain[i].owner)
}

# METADATA
# custom: {lacks: identity, who: [requester], remedy: Get another token.}
reasons contains {"code": "chain_unknown", "party": "parent"} if {
	not first
	not _chain_complete
}

_chain_complete if {
	is_array(presented.chain)
	count(presented.chain) == count(input.chain)
}

# METADATA
# description: Whoever carries the token must be one of those whose standing was looked at.
# custom: {lacks: identity, who: [requester], remedy: Get a token from somebody who has a part in it.}
reasons contains {"code": "client_unknown", "party": "parent", "id": holder_id} if {
	not first
	not _holder_known
}

_holder_known if presented.client == input.client.id

_holder_known if presented.client == presented.subject

_holder_known if presented.client in presented.chain
