# METADATA
# title: Userinfo
# description: >-
#   May whoever carries this token see who its user is, and what of it? The token is
#   locked to the userinfo endpoint and carries scope openid; what it releases is what
#   everybody in it still holds, and the user still agrees to (OpenID Connect Core
#   section 5.3).
# scope: package
# schemas:
#   - input: schema.input
package floor.userinfo

import rego.v2

import data.floor.consent
import data.floor.identity
import data.floor.standing
import data.floor.token

# METADATA
# entrypoint: true
decision := {"allow": count(reasons) == 0, "reasons": reasons, "scopes": object.keys(released), "released": released}

# METADATA
# description: Names of claims, by the scope that releases them.
released := {s: names | some s in held; names := identity.claims[s]}

reasons contains r if some r in standing.reasons

reasons contains r if some r in token.reasons

# METADATA
# custom: {lacks: token, who: [requester], remedy: Get a token for the audience of the userinfo endpoint.}
reasons contains {"code": "audience_mismatch", "party": "resource", "id": identity.server} if {
	token.known
	not token.presented.aud.id == identity.server
}

# METADATA
# description: Whoever carries a token is the one it was issued to.
# custom: {lacks: identity, who: [requester], remedy: Use a token of its own holder.}
reasons contains {"code": "client_unknown", "party": "client", "id": standing.client_id} if {
	not input.client.id == token.presented.client
}

# METADATA
# description: There is nothing to say of who an agent is beyond what the token says.
# custom: {lacks: token, who: [requester], remedy: Use a token that speaks for a user.}
reasons contains {"code": "subject_not_user", "party": "subject", "id": standing.subject_id} if {
	token.known
	not input.subject.kind == "user"
}

# METADATA
# custom: {lacks: scope, who: [requester], remedy: Ask for the scope when getting the token.}
reasons contains {"code": "insufficient_scope", "party": "parent", "scope": "openid"} if {
	not "openid" in token.presented.own
}

# METADATA
# custom: {lacks: scope, who: [subject, roles:assign], remedy: "Ask the user again, or assign the scope anew."}
reasons contains {"code": "nothing_left", "party": "parent"} if {
	"openid" in token.presented.own
	not "openid" in held
}

# METADATA
# description: The name of the action lifts restrictions elsewhere, so it must be this one.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "action_unknown", "value": name} if {
	not input.action.name == "userinfo"
	name := object.get(input, ["action", "name"], "")
}

# METADATA
# scope: document
# description: Scopes of the token that everybody in it still holds, and its user agrees to.
held contains s if {
	some s in token.presented.own
	input.client.scopes[identity.server][s][0]
	input.subject.scopes[identity.server][s][0]
	every i, _ in token.presented.chain {
		input.chain[i].scopes[identity.server][s][0]
	}
	consent.agreed(identity.server, s)
}
