package floor.standing

import rego.v2

# METADATA
# scope: document
# description: >-
#   The token that was presented, whatever it was presented for. Whoever asks about
#   somebody without one says what it would say; nobody carries that.
presented := input.parent

presented := input.token

presented := {"subject": asked.subject, "chain": asked.chain, "client": asked.subject} if {
	not input.token
	not input.request.token_problem
	asked := input.request.asked
}

# METADATA
# scope: document
# description: Who answers for a client. An active user; and an application may have been set up without an owner.
answered_for("application", null)

answered_for(kind, owner) if {
	kind in {"agent", "application"}
	owner.status == "active"
	unexpired(owner.expires_at)
}

# METADATA
# scope: document
# description: >-
#   Whether a moment is still to come. Of numbers only, because to Rego any
#   string is later than any number.
unexpired(moment) if {
	is_number(moment)
	moment > now
}

now := input.now if is_number(input.now)

default client_id := ""

client_id := input.client.id if is_string(input.client.id)

default subject_id := ""

subject_id := presented.subject if {
	not first
	is_string(presented.subject)
}

subject_id := input.authorization.subject if {
	personal
	is_string(input.authorization.subject)
}

subject_id := input.subject.id if {
	visiting
	is_string(input.subject.id)
}

default holder_id := ""

holder_id := presented.client if is_string(presented.client)
