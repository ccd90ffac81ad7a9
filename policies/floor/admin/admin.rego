# METADATA
# title: Administration
# description: >-
#   Deputy's own API is a resource server like any other: a live token locked to
#   it, carrying the operation's scope, which everybody in the token still holds,
#   and every scope of Deputy's own that the operation would hand on.
# scope: package
# schemas:
#   - input: schema.input
package floor.admin

import rego.v2

import data.floor.consent
import data.floor.renewal
import data.floor.standing
import data.floor.token

# METADATA
# entrypoint: true
# description: The answer to a client that renews its own secret says how long the new one lives.
decision := {"allow": count(reasons) == 0, "reasons": reasons, "ttl": renewal.ttl} if {
	_renewing
} else := {"allow": count(reasons) == 0, "reasons": reasons}

_renewing if operation == "rotateOwnCredential"

# Deputy's own resource server. Its id is fixed, so no other can pose as it.
self := "rsv_deputy"

# METADATA
# description: >-
#   The scope each operation needs. Editing an identity, widening what it may do
#   and stopping it are different rights.
required := {
	"listClients": "clients:read",
	"getClient": "clients:read",
	"listEffectiveScopes": "clients:read",
	"listUnusedScopes": "clients:read",
	"listCredentials": "clients:read",
	"getClientBlastRadius": "tokens:read",
	"listAcquaintances": "clients:read",
	"putAcquaintance": "clients:write",
	"deleteAcquaintance": "clients:write",
	"listTransfers": "clients:read",
	"getTransfer": "clients:read",
	"offerTransfer": "clients:write",
	"cancelTransfer": "clients:write",
	"createClient": "clients:write",
	"updateClient": "clients:write",
	"deleteClient": "clients:write",
	"createCredential": "credentials:write",
	"rotateCredential": "credentials:write",
	"revokeCredential": "credentials:write",
	"getOwnCredential": "credentials:own",
	"rotateOwnCredential": "credentials:own",
	"suspendClient": "clients:suspend",
	"restoreClient": "clients:suspend",
	"listUsers": "users:read",
	"getUser": "users:read",
	"getUserBlastRadius": "tokens:read",
	"listUserUnusedScopes": "roles:read",
	"createUser": "users:write",
	"updateUser": "users:write",
	"deleteUser": "users:write",
	"suspendUser": "users:suspend",
	"restoreUser": "users:suspend",
	"listGroups": "groups:read",
	"getGroup": "groups:read",
	"listGroupMembers": "groups:read",
	"createGroup": "groups:write",
	"updateGroup": "groups:write",
	"deleteGroup": "groups:write",
	"addGroupMember": "roles:assign",
	"removeGroupMember": "roles:assign",
	"listRoles": "roles:read",
	"getRole": "roles:read",
	"listAssignments": "roles:read",
	"createRole": "roles:write",
	"updateRole": "roles:write",
	"deleteRole": "roles:write",
	"createAssignment": "roles:assign",
	"deleteAssignment": "roles:assign",
	"listResourceServers": "resources:read",
	"getResourceServer": "resources:read",
	"listScopes": "resources:read",
	"listDetailTypes": "resources:read",
	"getDetailType": "resources:read",
	"createResourceServer": "resources:write",
	"updateResourceServer": "resources:write",
	"deleteResourceServer": "resources:write",
	"putScope": "resources:write",
	"deleteScope": "resources:write",
	"putDetailType": "resources:write",
	"deleteDetailType": "resources:write",
	"listSessions": "tokens:read",
	"listIdentities": "users:read",
	"unlinkIdentity": "users:write",
	"listUpstreams": "upstreams:read",
	"getUpstream": "upstreams:read",
	"createUpstream": "upstreams:write",
	"updateUpstream": "upstreams:write",
	"deleteUpstream": "upstreams:write",
	"revokeSession": "tokens:revoke",
	"createUserLink": "credentials:write",
	"listConsents": "tokens:read",
	"getConsent": "tokens:read",
	"getConsentBlastRadius": "tokens:read",
	"getApprovalBlastRadius": "tokens:read",
	"getCredentialBlastRadius": "tokens:read",
	"getGrantBlastRadius": "tokens:read",
	"getResourceServerBlastRadius": "tokens:read",
	"getTokenBlastRadius": "tokens:read",
	"preapproveConsent": "consents:write",
	"revokeConsent": "tokens:revoke",
	"listApprovals": "tokens:read",
	"getApproval": "tokens:read",
	"cancelApproval": "tokens:revoke",
	"listGrants": "tokens:read",
	"getGrant": "tokens:read",
	"listTokens": "tokens:read",
	"getToken": "tokens:read",
	"revokeGrant": "tokens:revoke",
	"revokeToken": "tokens:revoke",
	"listAuditEntries": "audit:read",
	"getAuditEntry": "audit:read",
	"getAuditHead": "audit:read",
	"explainAuditEntry": "audit:read",
	"listEvents": "events:read",
	"listEventReceivers": "events:read",
	"getEventReceiver": "events:read",
	"createEventReceiver": "events:write",
	"deleteEventReceiver": "events:write",
	"listKeys": "keys:read",
	"rotateKey": "keys:write",
	"getPolicy": "policy:read",
	"explainRequest": "policy:explain",
}

# METADATA
# description: >-
#   Rights an operation needs besides its scope, because its answer shows what they
#   guard. Trying out requests is a right of its own, and shows nothing that could
#   not be read anyway.
shown := {"explainRequest": {"clients:read", "resources:read", "tokens:read", "users:read"}}

operation := trim_prefix(input.action.name, "admin:") if startswith(input.action.name, "admin:")

scope := required[operation]

_needed contains scope

_needed contains right if some right in shown[operation]

reasons contains r if some r in standing.reasons

reasons contains r if some r in token.reasons

reasons contains r if {
	_renewing
	some r in renewal.reasons
}

# METADATA
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "operation_unknown", "value": name} if {
	not scope
	name := object.get(input, ["action", "name"], "")
}

# METADATA
# custom: {lacks: token, who: [requester], remedy: Get a token for the audience of this API.}
reasons contains {"code": "audience_mismatch", "party": "resource", "id": self} if {
	token.known
	not token.presented.aud.id == self
}

# METADATA
# description: Whom a client acts for must not come by what the client proves itself with.
# custom: {lacks: entitlement, who: [requester], remedy: Use a token that the client got for itself alone.}
reasons contains {"code": "own_only", "party": "parent", "id": standing.client_id} if {
	scope == "credentials:own"
	not _alone
}

_alone if {
	token.presented.subject == input.client.id
	token.presented.chain == []
}

# METADATA
# custom: {lacks: scope, who: [requester], remedy: Ask for the scope when getting the token.}
reasons contains {"code": "insufficient_scope", "party": "parent", "scope": right} if {
	some right in _needed
	not right in token.presented.own
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: Assign the client a role with the scope.}
reasons contains {"code": "scope_not_held", "party": "client", "id": standing.client_id, "scope": right} if {
	some right in _needed
	not input.client.scopes[self][right][0]
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: Assign the subject a role with the scope.}
reasons contains {"code": "scope_not_held", "party": "subject", "id": standing.subject_id, "scope": right} if {
	some right in _needed
	not input.subject.scopes[self][right][0]
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: Assign the actor a role with the scope.}
reasons contains {"code": "scope_not_held", "party": "actor", "id": id, "scope": right} if {
	some right in _needed
	some i, id in token.presented.chain
	not input.chain[i].scopes[self][right][0]
}

# METADATA
# custom: {lacks: scope, who: [subject], remedy: Ask the user for consent to the scope.}
reasons contains {"code": "scope_not_consented", "party": "consent", "id": standing.subject_id, "scope": right} if {
	some right in _needed
	not consent.agreed(self, right)
}

# METADATA
# description: >-
#   What a change does beyond the name of its operation, and the right that takes.
#   Ending or shortening a life is stopping; whoever becomes a service sees the
#   tokens sent to it and may exchange them; who answers for a client is asked, or is
#   put in charge without being asked.
effects := {
	"effect:assigns_owner": "owners:assign",
	"effect:stops_client": "clients:suspend",
	"effect:stops_user": "users:suspend",
	"effect:moves_service": "roles:assign",
}

# METADATA
# description: >-
#   Nobody hands out authority over Deputy that they do not carry: the request
#   names the scopes of Deputy's own API which the change would give to somebody,
#   and its effects, and each right must be carried as if it were used.
# custom: {lacks: authority, who: [requester, roles:assign],
#   remedy: Let somebody make the change who carries that scope.}
reasons contains {"code": "authority_exceeded", "party": "parent", "scope": right} if {
	some conferred in input.request.scopes
	right := object.get(effects, conferred, conferred)
	not _carried(right)
}

# METADATA
# description: What is not told cannot be nothing.
# custom: {lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "authority_unknown", "party": "parent"} if not is_array(input.request.scopes)

_carried(name) if {
	name in token.presented.own
	input.client.scopes[self][name][0]
	input.subject.scopes[self][name][0]
	consent.agreed(self, name)
	every i, _ in token.presented.chain {
		input.chain[i].scopes[self][name][0]
	}
}

# METADATA
# description: Whoever carries a token is the one it was issued to.
# custom: {lacks: identity, who: [requester], remedy: Use a token of its own holder.}
reasons contains {"code": "client_unknown", "party": "client", "id": standing.client_id} if {
	not input.client.id == token.presented.client
}
