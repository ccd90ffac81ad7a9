# METADATA
# title: Identity
# description: >-
#   Who a user is, is something like any other scope lets a client see: it must be
#   granted, held by both, and agreed to, at Deputy's own userinfo endpoint, each time.
#   What is left of it goes into the ID token (OpenID Connect Core).
# scope: package
# schemas:
#   - input: schema.input
package floor.identity

import rego.v2

import data.floor.consent
import data.floor.lifetime

# The userinfo endpoint. Its id is fixed, so no other can pose as it.
server := "rsv_openid"

# An ID token says who signed in; it opens nothing, and is read at once.
longest := 300

# METADATA
# description: What each scope releases (OpenID Connect Core section 5.4; groups is ours).
claims := {
	"openid": {"sub"},
	"profile": {"name", "preferred_username", "updated_at"},
	"email": {"email", "email_verified"},
	"groups": {"groups"},
}

# METADATA
# scope: document
# description: What a person granted of it, and everybody still holds and agrees to.
held contains s if {
	some s, _ in claims
	_wanted(s)
	input.authorization.scopes[server][s][0]
	input.client.scopes[server][s][0]
	input.subject.scopes[server][s][0]
	_agreed(s)
}

# METADATA
# scope: document
# description: The ID token that goes with the access token; none without scope openid.
token := {"released": {s: claims[s] | some s in held}, "ttl": min({longest, lifetime.ttl})} if "openid" in held

# Whoever names scopes at a refresh gets no others, here too.
_wanted(_) if input.request.scopes == []

_wanted(s) if s in input.request.scopes

_agreed(s) if {
	some agreement in input.consents
	consent.live(agreement)
	agreement.resource == server
	agreement.scopes[s] == true
}
