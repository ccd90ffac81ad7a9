# METADATA
# title: Approval
# description: >-
#   What a client asks of a person who is elsewhere, for one request. It may ask whom
#   it knows, if word can reach them, and not so often that they would tire of reading
#   (RFC 10027). They answer once, in time, and for themselves; what they allowed is
#   carried out for the client that asked, and for nothing but that.
# scope: package
# schemas:
#   - input: schema.input
package floor.approval

import rego.v2

import data.floor.audience
import data.floor.scope
import data.floor.standing

# How much may wait for an answer, and be asked.
most_pending := 3

most_waiting := 20

most_within_the_hour := 12

# How long a client keeps still after a denial, in seconds, and how many it may get in a day.
pause := 60

most_denials := 3

# METADATA
# scope: document
# description: Whether what was approved is carried out.
redeeming if kinds[input.action.name]

redeeming if brought

# METADATA
# scope: document
# description: >-
#   Whether a machine grant brings an approval. It need not; but one that it brings is
#   for this very request, or there is no token.
brought if {
	machines[input.action.name]
	input.approval
}

brought if {
	machines[input.action.name]
	input.request.approval
}

machines := {
	"issue:access_token:client_credentials": "client_credentials",
	"issue:access_token:token_exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
}

kinds := {"issue:access_token:ciba": "ciba", "issue:access_token:device_code": "device"}

# METADATA
# description: One of whom nothing is known looks like one who may not be asked.
# custom: {lacks: entitlement, who: [owner, clients:write], remedy: "Name a user who knows the client, or let it ask them."}
reasons contains {"code": "user_unknown", "party": "subject", "id": standing.subject_id} if {
	_asking
	not _known
}

# METADATA
# custom: {lacks: channel, who: [subject, users:write], remedy: "Give the user an address, or let them choose a way to be reached."}
reasons contains {"code": "user_unreachable", "party": "subject", "id": standing.subject_id} if {
	_asking_somebody
	not input.acquaintance.reached == true
}

# METADATA
# custom: {lacks: user_code, who: [requester, subject], remedy: Send the code that the user told you as user_code.}
reasons contains {"code": "user_code_missing", "party": "subject", "id": standing.subject_id} if {
	_asking_somebody
	input.acquaintance.user_code == "missing"
}

# METADATA
# custom: {lacks: user_code, who: [requester, subject], remedy: Ask the user for the code that they have chosen.}
reasons contains {"code": "user_code_wrong", "party": "subject", "id": standing.subject_id} if {
	_asking_somebody
	not input.acquaintance.user_code in {"none", "ok", "missing"}
}

# METADATA
# custom: {lacks: patience, who: [requester, subject], remedy: Wait until what was asked before is answered or over.}
reasons contains {"code": "approvals_waiting", "party": "subject", "id": standing.subject_id} if {
	_asking_somebody
	not _room
}

# METADATA
# custom: {lacks: patience, who: [requester], remedy: "Ask later, and more seldom."}
reasons contains {"code": "asked_too_often", "party": "client", "id": standing.client_id} if {
	_asking_somebody
	not input.acquaintance.asked < most_within_the_hour
}

# METADATA
# custom: {lacks: patience, who: [requester, subject], remedy: "Ask later: the user said no a short while ago, or several times."}
reasons contains {"code": "denied_lately", "party": "subject", "id": standing.subject_id} if {
	_asking_somebody
	not _cooled
}

# METADATA
# custom: {lacks: trust, who: [subject, owner], remedy: "Find out why the user reported the client, and talk to them."}
reasons contains {"code": "reported_lately", "party": "subject", "id": standing.subject_id} if {
	_asking_somebody
	not input.acquaintance.reported_at == 0
}

# METADATA
# description: Nobody answers for somebody else, and nobody carries out what another client asked.
# custom: {lacks: entitlement, who: [requester], remedy: Let the client that asked and the user it asked do this.}
reasons contains {"code": "approval_foreign", "party": "approval", "id": _id} if {
	not _theirs
}

# METADATA
# custom: {lacks: term, who: [requester], remedy: "Ask again: this was answered, or is over."}
reasons contains {"code": "approval_over", "party": "approval", "id": _id} if {
	standing.away
	not _open
}

# METADATA
# custom: {lacks: approval, who: [subject], remedy: "Wait until the user has answered, and ask no sooner than told."}
reasons contains {"code": "approval_pending", "party": "approval", "id": _id} if {
	redeeming
	_theirs
	_open
}

# METADATA
# custom: {lacks: approval, who: [requester, subject], remedy: Ask again; the user did not answer in time.}
reasons contains {"code": "approval_expired", "party": "approval", "id": _id} if {
	redeeming
	_theirs
	input.approval.state == "pending"
	not _open
}

# METADATA
# custom: {lacks: approval, who: [subject], remedy: "Nothing: the user said no."}
reasons contains {"code": "approval_denied", "party": "approval", "id": _id} if {
	redeeming
	_theirs
	not input.approval.state in {"pending", "approved", "used"}
}

# METADATA
# custom: {lacks: approval, who: [requester, subject], remedy: "Ask again: what is approved is approved once."}
reasons contains {"code": "approval_used", "party": "approval", "id": _id} if {
	redeeming
	_theirs
	input.approval.state == "used"
}

# METADATA
# description: What a machine was allowed ends.
# custom: {lacks: term, who: [requester], remedy: "Ask again: this was answered, or is over."}
reasons contains {"code": "approval_over", "party": "approval", "id": _id} if {
	_carried_out
	not standing.unexpired(input.approval.until)
}

# METADATA
# description: Whoever let a machine do something could still do so.
# custom: {lacks: approval, who: [requester, owner, users:suspend], remedy: "Ask again, somebody who may approve it now."}
reasons contains {"code": "approver_gone", "party": "approval", "id": _id} if {
	_carried_out
	not _approver_stands
}

# METADATA
# description: No more is issued than what somebody saw.
# custom: {lacks: approval, who: [requester, subject], remedy: "Ask for what was approved, or ask again."}
reasons contains {"code": "approval_exceeded", "party": "approval", "id": _id, "scope": s} if {
	_carried_out
	some s in scope.requested
	not s in input.approval.scopes[audience.id]
}

# METADATA
# description: And with the very details that they saw.
# custom: {lacks: approval, who: [requester, subject], remedy: "Ask for what was approved, or ask again."}
reasons contains {"code": "approval_exceeded", "party": "approval", "id": _id} if {
	_carried_out
	{d | some d in input.request.details} != {d | some d in input.approval.details[audience.id]}
}

# METADATA
# description: What is carried out is what was approved, there where it was.
# custom: {lacks: approval, who: [subject], remedy: Ask again; this is not what the user approved.}
reasons contains {"code": "approval_foreign", "party": "approval", "id": _id} if {
	input.approval.state == "approved"
	audience.id in input.authorization.resources
	not input.consent.approval == input.approval.id
}

# METADATA
# description: What is pushed is pushed, and not handed out besides.
# custom: {lacks: grant, who: [requester, owner], remedy: "Wait for it where the client is registered to be told, or register it to ask."}
reasons contains {"code": "approval_pushed", "party": "approval", "id": _id} if {
	redeeming
	_theirs
	not _fetched
	not pushed
}

# METADATA
# description: The answer goes where the client that asked is registered to be told.
pushed if {
	input.action.name == "issue:access_token:ciba"
	input.credential.method == "push"
	input.approval.delivery == "push"
	_theirs
}

_fetched if {
	input.approval.delivery in {"poll", "ping"}
	not input.credential.method == "push"
}

_asking if {
	input.action.name == "approval:ask"
	not input.approval.kind == "device" # whoever has the code is asked
}

_asking_somebody if {
	_asking
	_known
}

_known if {
	not standing.machine
	input.subject.kind == "user"
	input.acquaintance.known in {"owner", "consent", "listed"}
}

_known if {
	standing.machine
	input.subject.kind == "user"
	_may_approve
}

# In whose name a token speaks, they let it be handed on. What agents do in their own
# name is let by whoever answers for the client, or whom an administrator listed.
_may_approve if {
	_own_name
	input.approval.approver.known in {"owner", "listed"}
}

_may_approve if {
	input.approval.grant_type == machines["issue:access_token:token_exchange"]
	_represented.kind == "user"
	_represented.id == input.approval.subject
}

_own_name if input.approval.grant_type == machines["issue:access_token:client_credentials"]

_own_name if _represented.kind in {"agent", "application"}

_represented := input.represented if standing.away

_represented := input.subject if not standing.away

_approver_stands if {
	_may_approve
	input.approval.approver.status == "active"
	standing.unexpired(input.approval.approver.expires_at)
}

_carried_out if {
	brought
	_theirs
	input.approval.state == "approved"
}

_room if {
	input.acquaintance.pending < most_pending
	input.acquaintance.waiting < most_waiting
}

_cooled if {
	input.acquaintance.denials < most_denials
	input.acquaintance.denied_at <= standing.now - pause
}

_theirs if {
	input.approval.client == input.client.id
	_addressed
}

# A device is anybody's until somebody types its code.
_addressed if {
	input.action.name == "approval:ask"
	input.approval.kind == "device"
	input.approval.subject == ""
}

_addressed if {
	standing.away
	input.subject.id == input.approval.subject
	not standing.machine
}

_addressed if {
	standing.machine
	input.subject.id == input.approval.subject
	_may_approve
}

_addressed if {
	input.approval.kind == "machine"
	input.approval.grant_type == machines[input.action.name]
	_same_parent
}

_addressed if input.approval.kind == kinds[input.action.name]

# What was approved of one token is so of no other.
_same_parent if {
	standing.autonomous
	not input.approval.parent
}

_same_parent if {
	not standing.autonomous
	input.approval.parent == input.parent.jti
}

_open if {
	input.approval.state == "pending"
	standing.unexpired(input.approval.expires_at)
}

default _id := ""

_id := input.approval.id
