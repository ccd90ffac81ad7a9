# METADATA
# title: Revocation
# description: >-
#   Whoever holds an access token may give it up, and whoever was given a code or
#   refresh token what a person granted with it, whatever state any of them is in:
#   revoking only ever takes away (RFC 7009).
# scope: package
# schemas:
#   - input: schema.input
package floor.revoke

import rego.v2

import data.floor.authorization
import data.floor.standing
import data.floor.token

# METADATA
# entrypoint: true
decision := {"allow": count(reasons) == 0, "reasons": reasons}

# METADATA
# custom: {lacks: entitlement, who: [requester, tokens:revoke],
#   remedy: "Let its holder revoke the token, or an administrator."}
reasons contains {"code": "token_not_own", "party": "client", "id": standing.client_id} if {
	token.known
	not token.presented.client == input.client.id
}

# METADATA
# custom: {lacks: entitlement, who: [requester, tokens:revoke],
#   remedy: "Let the client it was issued to give it up, or the user or an administrator end the grant."}
reasons contains {"code": "authorization_foreign", "party": "client", "id": standing.client_id} if {
	authorization.known
	not input.authorization.client == input.client.id
}

# METADATA
# custom: {lacks: token, who: [requester], remedy: "Present a token or code of this server, as it was issued."}
reasons contains {"code": "token_unusable", "party": "parent", "value": problem} if {
	not token.known
	not authorization.known
	problem := object.get(input, ["request", "token_problem"], "missing")
}
