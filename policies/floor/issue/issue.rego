# METADATA
# title: Issue
# description: >-
#   May this token exist, and what does it say? Machine grants are answered
#   exactly: asking for more than one can have is a refusal that names each
#   scope and who lacks it. What a person granted is narrowed to what is left of it.
# scope: package
# schemas:
#   - input: schema.input
package floor.issue

import rego.v2

import data.floor.approval
import data.floor.audience
import data.floor.authorization
import data.floor.consent
import data.floor.delegation
import data.floor.details
import data.floor.everyday
import data.floor.identity
import data.floor.lifetime
import data.floor.scope
import data.floor.standing
import data.floor.token

# METADATA
# entrypoint: true
# description: The most that may be granted. House policy can only take from it.
decision := answer if {
	answer := everyday.answer
} else := thorough

# METADATA
# description: >-
#   The answer to any question whatever. It holds at the moment it was asked;
#   only an everyday answer says that it holds for longer.
thorough := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"scopes": scope.granted,
	"resource": _resource,
	"audience": _audience,
	"index": _index,
	"ttl": _ttl,
	"ends": _ends,
	"valid_until": _valid_until,
	"subject": _subject,
	"chain": _chain,
	"consented": _consented,
	"removed": _removed,
	"narrows": _narrows,
	"refreshable": _refreshable,
	"id_token": _id_token,
	"approved": _approved,
	"details": details.granted,
	"through": details.through,
}

reasons contains r if {
	approval.redeeming
	some r in approval.reasons
}

reasons contains r if some r in audience.reasons

reasons contains r if some r in authorization.reasons

reasons contains r if some r in delegation.reasons

reasons contains r if some r in details.reasons

reasons contains r if some r in lifetime.reasons

reasons contains r if some r in scope.reasons

reasons contains r if {
	not _something_left
	some r in scope.missing
}

reasons contains r if some r in standing.reasons

reasons contains r if {
	not standing.first
	some r in token.reasons
}

# METADATA
# description: >-
#   What begins a chain is asked for without a token; one that is there all the
#   same means that the question was put wrong.
# custom: {lacks: request, who: [requester], remedy: Leave the token out.}
reasons contains {"code": "token_unexpected", "party": "client", "id": standing.client_id} if {
	standing.first
	standing.presented
}

# METADATA
# description: A person's grant of which nothing is left is at its end.
# custom: {lacks: scope, who: [requester, subject, roles:assign], remedy: "Ask the user again, or assign the scopes anew."}
reasons contains {"code": "nothing_left", "party": "grant"} if {
	standing.personal
	not details.named
	count(audience.asked) == 0
	count(scope.granted) == 0
}

# METADATA
# custom: {lacks: grant_type, who: [owner, clients:write], remedy: Allow the client this grant type.}
reasons contains {"code": "grant_type_not_allowed", "party": "client", "id": standing.client_id, "value": type} if {
	not _grant_type in input.client.grant_types
	type := _grant_type
}

# METADATA
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "action_unknown", "value": name} if {
	not _grant_types[input.action.name]
	name := object.get(input, ["action", "name"], "")
}

# METADATA
# custom: {lacks: credential, who: [owner, credentials:write], remedy: Issue the client a credential.}
reasons contains {"code": "credential_unknown", "party": "client", "id": standing.client_id} if not _proven

_proven if {
	is_string(input.credential.id)
	input.credential.id != ""
	input.credential.method in {"client_secret_basic", "client_secret_post", "private_key_jwt"}
}

# A public client proves nothing but that it is the one that began: by PKCE.
_proven if {
	standing.personal
	input.credential.method == "none"
	input.client.public == true
	input.authorization.pkce == "ok"
}

# Nobody asks for what is pushed.
_proven if approval.pushed

_grant_types := {
	"issue:access_token:authorization_code": "authorization_code",
	"issue:access_token:ciba": "urn:openid:params:grant-type:ciba",
	"issue:access_token:client_credentials": "client_credentials",
	"issue:access_token:device_code": "urn:ietf:params:oauth:grant-type:device_code",
	"issue:access_token:refresh_token": "refresh_token",
	"issue:access_token:token_exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
}

default _grant_type := ""

_grant_type := _grant_types[input.action.name]

default _resource := ""

_resource := audience.id

default _audience := ""

_audience := audience.identifier

default _index := -1

_index := audience.index

default _ttl := 0

_ttl := lifetime.ttl

default _ends := 0

_ends := lifetime.ends

default _valid_until := 0

# What somebody allowed once is asked anew each time.
_valid_until := standing.now if not approval.brought

default _subject := ""

_subject := delegation.subject

default _chain := []

_chain := delegation.chain

_removed contains r if {
	_something_left
	some r in (scope.missing | details.missing)
}

_something_left if {
	standing.personal
	count(scope.granted) > 0
}

default _narrows := false

_narrows if standing.personal

default _refreshable := false

# What a person granted goes on without them for clients that were set up for that.
_refreshable if {
	standing.personal
	"refresh_token" in input.client.grant_types
}

default _id_token := {}

_id_token := identity.token

default _approved := false

# A person saw this very request, or one that it follows from.
_approved if {
	count(scope.granted) > 0
	every s in scope.granted {
		consent.approved(audience.id, s)
	}
}

# Nor is there a token of a machine that brings what nobody approved.
_approved if approval.brought

default _consented := false

_consented if {
	count(scope.granted) > 0
	every s in scope.granted {
		s in scope.consented
	}
}
