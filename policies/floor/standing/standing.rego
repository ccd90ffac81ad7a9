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

# A document of another version may mean other things by the same words.
reasons contains {"code": "version_unknown"} if not input.v == 1

reasons contains {"code": "client_unknown", "party": "client", "id": ""} if client_id == ""

reasons contains {"code": "client_inactive", "party": "client", "id": client_id, "value": status} if {
	not input.client.status == "active"
	status := object.get(input, ["client", "status"], "unknown")
}

reasons contains {"code": "client_expired", "party": "client", "id": client_id} if {
	not unexpired(input.client.expires_at)
}

reasons contains {"code": "client_owner_inactive", "party": "client", "id": client_id} if {
	not answered_for(input.client.kind, input.client.owner)
}

reasons contains {"code": "subject_inactive", "party": "subject", "id": subject_id, "value": status} if {
	not autonomous
	not input.subject.status == "active"
	status := object.get(input, ["subject", "status"], "unknown")
}

reasons contains {"code": "subject_expired", "party": "subject", "id": subject_id} if {
	not autonomous
	not unexpired(input.subject.expires_at)
}

reasons contains {"code": "subject_owner_inactive", "party": "subject", "id": subject_id} if {
	not autonomous
	not _subject_answered_for
}

# The subject that was loaded must be the one the token names.
reasons contains {"code": "subject_unknown", "party": "subject", "id": subject_id} if {
	not autonomous
	not _subject_known
}

# Position by position: a chain that misses a member's facts has no standing.
reasons contains {"code": "actor_unknown", "party": "actor", "id": id} if {
	some i, id in presented.chain
	not input.chain[i].id == id
}

reasons contains {"code": "actor_inactive", "party": "actor", "id": id, "value": status} if {
	some i, id in presented.chain
	not input.chain[i].status == "active"
	status := object.get(input, ["chain", i, "status"], "unknown")
}

reasons contains {"code": "actor_expired", "party": "actor", "id": id} if {
	some i, id in presented.chain
	not unexpired(input.chain[i].expires_at)
}

reasons contains {"code": "actor_owner_inactive", "party": "actor", "id": id} if {
	some i, id in presented.chain
	not answered_for(input.chain[i].kind, input.chain[i].owner)
}

reasons contains {"code": "chain_unknown", "party": "parent"} if {
	not autonomous
	not _chain_complete
}

_chain_complete if {
	is_array(presented.chain)
	count(presented.chain) == count(input.chain)
}

# Whoever carries the token must be one of those whose standing was looked at.
reasons contains {"code": "client_unknown", "party": "parent", "id": holder_id} if {
	not autonomous
	not _holder_known
}

_holder_known if presented.client == input.client.id

_holder_known if presented.client == presented.subject

_holder_known if presented.client in presented.chain

_subject_known if {
	subject_id != ""
	input.subject.id == subject_id
}

# A user is a person, for whom nobody else answers.
_subject_answered_for if input.subject.kind == "user"

_subject_answered_for if answered_for(input.subject.kind, input.subject.owner)
