# METADATA
# title: Presented token
# description: >-
#   A token counts only while it is live: known, unexpired, unrevoked, hanging
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

reasons contains {"code": "token_unusable", "party": "parent", "value": problem} if {
	not known
	problem := object.get(input, ["request", "token_problem"], "missing")
}

reasons contains {"code": "token_expired", "party": "parent"} if {
	known
	not standing.unexpired(presented.exp)
}

reasons contains {"code": "token_revoked", "party": "parent"} if {
	known
	not presented.revoked == false
}

reasons contains {"code": "grant_ended", "party": "grant", "id": id} if {
	not _grant_live
	id := object.get(presented, ["grant", "id"], "")
}

reasons contains {"code": "token_audience_inactive", "party": "resource", "id": id} if {
	not presented.aud.status == "active"
	id := object.get(presented, ["aud", "id"], "")
}

_grant_live if {
	presented.grant.revoked == false
	standing.unexpired(presented.grant.expires_at)
}
