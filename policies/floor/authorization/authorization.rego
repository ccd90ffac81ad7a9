# METADATA
# title: Authorization
# description: >-
#   What a person granted, as a code or a refresh token carries it. It counts only
#   while it is live, for the client it was given to, at the servers it is for, and
#   if whoever brings it is who began: the redirect and the PKCE verifier say so.
# scope: package
# schemas:
#   - input: schema.input
package floor.authorization

import rego.v2

import data.floor.audience
import data.floor.standing

# METADATA
# description: >-
#   Whether there is one at all. Nothing else is said of one that there is not:
#   the other reasons name it, or ask first.
known if is_string(input.authorization.id)

# METADATA
# custom: {lacks: grant, who: [requester, subject], remedy: "Present a code or refresh token of this server, as it was issued."}
reasons contains {"code": "authorization_unusable", "party": "grant", "value": problem} if {
	standing.personal
	not known
	not _unanswered
	problem := object.get(input, ["request", "token_problem"], "missing")
}

# METADATA
# description: No other grant brings one; one that is there all the same means that the question was put wrong.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "authorization_unexpected", "party": "client", "id": standing.client_id} if {
	not standing.personal
	input.authorization
}

# METADATA
# description: Each is presented in its own way, and proves what that proves.
# custom: {lacks: grant, who: [requester], remedy: Present it with the grant_type it was issued for.}
reasons contains {"code": "authorization_unusable", "party": "grant", "value": "kind"} if {
	known
	kind := _kinds[input.action.name]
	not input.authorization.kind == kind
}

# METADATA
# custom: {lacks: entitlement, who: [requester], remedy: Let the client it was issued to present it.}
reasons contains {"code": "authorization_foreign", "party": "client", "id": standing.client_id} if {
	known
	not input.authorization.client == input.client.id
}

# METADATA
# custom: {lacks: term, who: [requester, subject], remedy: Ask the user again.}
reasons contains {"code": "authorization_expired", "party": "grant", "id": input.authorization.id} if {
	not standing.unexpired(input.authorization.expires_at)
}

# METADATA
# custom: {lacks: status, who: [requester, subject], remedy: Ask the user again; what was taken back stays so.}
reasons contains {"code": "authorization_ended", "party": "grant", "id": input.authorization.id} if {
	not _live
}

# METADATA
# description: Whoever presents it a second time may be somebody else.
# custom: {lacks: status, who: [requester, subject], remedy: Ask the user again; a code is used once.}
reasons contains {"code": "authorization_used", "party": "grant", "id": input.authorization.id} if {
	not input.authorization.used == false
}

# METADATA
# custom: {lacks: request, who: [requester], remedy: Send the redirect_uri that the authorization request was sent with.}
reasons contains {"code": "redirect_mismatch", "party": "grant", "id": input.authorization.id} if {
	not input.authorization.redirect_ok == true
}

# METADATA
# custom: {lacks: request, who: [requester], remedy: Send the code_verifier of the challenge that the request was sent with.}
reasons contains {"code": "pkce_failed", "party": "grant", "id": input.authorization.id, "value": seen} if {
	not input.authorization.pkce == "ok"
	seen := object.get(input, ["authorization", "pkce"], "missing")
}

# METADATA
# custom: {lacks: resource, who: [requester, subject], remedy: "Name a resource server the user was asked about, or ask again."}
reasons contains {"code": "resource_not_authorized", "party": "resource", "id": audience.id} if {
	known
	not audience.id in input.authorization.resources
}

# What was asked elsewhere says itself why there is none yet.
_unanswered if input.approval.state != "approved"

_kinds := {
	"issue:access_token:authorization_code": "authorization_code",
	"issue:access_token:ciba": "ciba",
	"issue:access_token:device_code": "device",
}

_live if {
	input.authorization.revoked == false
	standing.unexpired(input.authorization.ends_at)
}
