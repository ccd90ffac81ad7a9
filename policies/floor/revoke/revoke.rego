# METADATA
# title: Revocation
# description: >-
#   Whoever holds an access token may give it up, and whoever was given a code or
#   refresh token what a person granted with it, whatever state any of them is in:
#   revoking only ever takes away (RFC 7009). What was found where it should not be
#   ends whoever brings it: they could use it, and to end it takes less than that.
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
	not _found
	token.known
	not token.presented.client == input.client.id
}

# METADATA
# custom: {lacks: entitlement, who: [requester, tokens:revoke],
#   remedy: "Let the client it was issued to give it up, or the user or an administrator end the grant."}
reasons contains {"code": "authorization_foreign", "party": "client", "id": standing.client_id} if {
	not _found
	authorization.known
	not input.authorization.client == input.client.id
}

# METADATA
# custom: {lacks: token, who: [requester], remedy: "Present a token or code of this server, as it was issued."}
reasons contains {"code": "token_unusable", "party": "parent", "value": problem} if {
	not token.known
	not authorization.known
	not _found_other
	problem := object.get(input, ["request", "token_problem"], "missing")
}

# METADATA
# description: Whoever found it is told whether it opened anything, and the ledger is not filled with what is over.
# custom: {lacks: status, who: [requester], remedy: "Nothing is left to do, it was over before."}
reasons contains {"code": "leak_over", "party": "parent"} if {
	_found
	count(_open) == 0
}

_found if input.action.name == "leaked"

_found_other if {
	_found
	some _ in _others
}

# Go has compared these with what is live.
_others contains "credential" if _named(input.credential.id)

_others contains "object" if {
	input.object.kind in {"session", "link"}
	_named(input.object.id)
}

_others contains "approval" if {
	input.approval.state == "pending"
	standing.unexpired(input.approval.expires_at)
}

# Of a machine, which has not got yet what it was allowed. Of everybody else, and of a machine
# that has got it, what came of it is there: the authorization, or the token.
_others contains "approval" if {
	input.approval.state == "approved"
	standing.unexpired(input.approval.until)
}

_named(id) if {
	is_string(id)
	id != ""
}

_open contains other if some other in _others

_open contains "token" if {
	token.presented.revoked == false
	token.presented.grant.revoked == false
	standing.unexpired(token.presented.grant.expires_at)
	standing.unexpired(token.presented.exp)
}

_open contains "authorization" if {
	input.authorization.revoked == false
	standing.unexpired(input.authorization.ends_at)
}
