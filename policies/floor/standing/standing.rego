# METADATA
# title: Standing
# description: >-
#   A party has standing while it is active, unexpired, and somebody who is
#   active themselves answers for it. One party without standing ends the whole
#   request: the client that asks, the one a token speaks for, every link of its chain.
# scope: package
# schemas:
#   - input: schema.input
package floor.standing

import rego.v2

# The one case that has no subject and no chain: an agent asking for itself.
autonomous if input.action.name == "issue:access_token:client_credentials"

# METADATA
# description: >-
#   A person granted what is presented: a code, a refresh token, or the name of what
#   they approved elsewhere. It carries an
#   authorization, and no token was handed in.
personal if input.action.name in {
	"issue:access_token:authorization_code",
	"issue:access_token:ciba",
	"issue:access_token:device_code",
	"issue:access_token:refresh_token",
}

# METADATA
# description: A person is at a page, or nobody is yet. Nothing is presented.
visiting if input.action.name in {"authorize", "consent"}

visiting if away

# METADATA
# description: The person is not where the client is.
away if input.action.name in {"approval:ask", "approval:show", "approval:answer"}

# METADATA
# description: They are asked to let a client do something that needs nobody but itself.
machine if {
	away
	input.approval.kind == "machine"
}

# METADATA
# scope: document
# description: What is issued begins a chain.
first if autonomous

first if personal

first if visiting

# METADATA
# scope: document
# description: Nobody is spoken for.
alone if autonomous

alone if {
	visiting
	not input.subject
}

# METADATA
# description: A document of another version may mean other things by the same words.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "version_unknown"} if not input.v == 1

# METADATA
# custom: {lacks: identity, who: [clients:write], remedy: Register the client.}
reasons contains {"code": "client_unknown", "party": "client", "id": ""} if client_id == ""

# METADATA
# custom: {lacks: status, who: [owner, clients:suspend],
#   remedy: Restore the client; one that is decommissioned needs a successor.}
reasons contains {"code": "client_inactive", "party": "client", "id": client_id, "value": status} if {
	not input.client.status == "active"
	status := object.get(input, ["client", "status"], "unknown")
}

# METADATA
# custom: {lacks: term, who: [owner, clients:write], remedy: Give the client a later end.}
reasons contains {"code": "client_expired", "party": "client", "id": client_id} if {
	not unexpired(input.client.expires_at)
}

# METADATA
# custom: {lacks: owner, who: [clients:write, users:suspend],
#   remedy: "Give the client an active owner, or restore its own."}
reasons contains {"code": "client_owner_inactive", "party": "client", "id": client_id} if {
	not answered_for(input.client.kind, input.client.owner)
}

# METADATA
# custom: {lacks: status, who: [owner, clients:suspend, users:suspend], remedy: Restore whom the token speaks for.}
reasons contains {"code": "subject_inactive", "party": "subject", "id": subject_id, "value": status} if {
	not alone
	not input.subject.status == "active"
	status := object.get(input, ["subject", "status"], "unknown")
}

# METADATA
# custom: {lacks: term, who: [owner, clients:write, users:write], remedy: Give whom the token speaks for a later end.}
reasons contains {"code": "subject_expired", "party": "subject", "id": subject_id} if {
	not alone
	not unexpired(input.subject.expires_at)
}

# METADATA
# custom: {lacks: owner, who: [clients:write, users:suspend],
#   remedy: "Give the subject an active owner, or restore its own."}
reasons contains {"code": "subject_owner_inactive", "party": "subject", "id": subject_id} if {
	not alone
	not _subject_answered_for
}

# METADATA
# description: The subject that was loaded must be the one the token names.
# custom: {lacks: identity, who: [requester], remedy: Get a token that speaks for somebody who is still there.}
reasons contains {"code": "subject_unknown", "party": "subject", "id": subject_id} if {
	not alone
	not _subject_known
}

_subject_known if {
	subject_id != ""
	input.subject.id == subject_id
	_may_be_spoken_for
}

# Only a person has a client act for them by granting it.
_may_be_spoken_for if {
	not personal
	not visiting
}

_may_be_spoken_for if input.subject.kind == "user"

# A user is a person, for whom nobody else answers.
_subject_answered_for if input.subject.kind == "user"

_subject_answered_for if answered_for(input.subject.kind, input.subject.owner)
