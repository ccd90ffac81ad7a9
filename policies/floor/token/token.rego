# METADATA
# title: Presented token
# description: >-
#   A token counts only while it is live: known, begun, unexpired, unrevoked, hanging
#   from a live grant, and locked to a service that is still in business.
# scope: package
# schemas:
#   - input: schema.input
package floor.token

import rego.v2

import data.floor.standing

presented := standing.presented

# METADATA
# scope: document
# description: Whether there is a token at all. Nothing else is said of one that there is not.
known if is_string(presented.jti)

# METADATA
# custom: {lacks: token, who: [requester], remedy: "Present an access token of this server, as it was issued."}
reasons contains {"code": "token_unusable", "party": "parent", "value": problem} if {
	not known
	problem := object.get(input, ["request", "token_problem"], "missing")
}

# METADATA
# custom: {lacks: term, who: [requester], remedy: Get a new token.}
reasons contains {"code": "token_expired", "party": "parent"} if {
	known
	not standing.unexpired(presented.exp)
}

# METADATA
# description: >-
#   Made while a clock was ahead: until its time comes it would live longer than
#   it was given. A minute is for replicas whose clocks differ.
# custom: {lacks: term, who: [requester], remedy: Wait until the token begins.}
reasons contains {"code": "token_early", "party": "parent"} if {
	known
	not _begun
}

# METADATA
# custom: {lacks: status, who: [requester], remedy: Get a new token; what is revoked stays revoked.}
reasons contains {"code": "token_revoked", "party": "parent"} if {
	known
	not presented.revoked == false
}

# METADATA
# custom: {lacks: status, who: [requester], remedy: Get a token under a new grant; one that ended stays ended.}
reasons contains {"code": "grant_ended", "party": "grant", "id": id} if {
	not _grant_live
	id := object.get(presented, ["grant", "id"], "")
}

# METADATA
# custom: {lacks: status, who: [operator, resources:write], remedy: Restore the service the token is for.}
reasons contains {"code": "token_audience_inactive", "party": "resource", "id": id} if {
	not presented.aud.status == "active"
	id := object.get(presented, ["aud", "id"], "")
}

_begun if {
	is_number(presented.iat)
	presented.iat <= standing.now + 60
}

_grant_live if {
	presented.grant.revoked == false
	standing.unexpired(presented.grant.expires_at)
}
