# METADATA
# title: Introspection
# description: >-
#   May the caller see this token as active, and with which scopes? Only the
#   service the token is locked to may; and it sees what is still held now, not
#   what was held when the token was made (RFC 7662).
# scope: package
# schemas:
#   - input: schema.input
package floor.introspect

import rego.v2

import data.floor.audience
import data.floor.consent
import data.floor.details
import data.floor.everyday
import data.floor.standing
import data.floor.token

# METADATA
# entrypoint: true
decision := answer if {
	answer := everyday.seen
} else := thorough

# METADATA
# description: The answer to any question whatever, at the moment it was asked.
thorough := {"allow": count(reasons) == 0, "reasons": reasons, "scopes": worth, "details": shown}

reasons contains r if some r in standing.reasons

reasons contains r if some r in token.reasons

# METADATA
# custom: {lacks: entitlement, who: [requester], remedy: Let the service introspect the token that it was sent to.}
reasons contains {"code": "caller_not_audience", "party": "client", "id": standing.client_id} if {
	not input.token.aud.operator == input.client.id
}

# METADATA
# custom: {lacks: scope, who: [roles:assign], remedy: Assign the scopes anew to those in the token that lost them.}
reasons contains {"code": "nothing_left", "party": "parent"} if count(worth) == 0

# METADATA
# description: Of what is not known any more nobody can say what it is worth.
# custom: {lacks: details, who: [resources:write], remedy: Register the type anew.}
reasons contains {"code": "details_type_unknown", "party": "resource", "id": input.token.aud.id, "value": d.type} if {
	some d in input.token.details
	not _through(d)
}

# METADATA
# description: The name of the action lifts restrictions elsewhere, so it must be this one.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "action_unknown", "value": name} if {
	not input.action.name == "introspect"
	name := object.get(input, ["action", "name"], "")
}

# METADATA
# scope: document
# description: Scopes of the token that everybody in it still holds, and that its user still agrees to.
held contains s if {
	some s in input.token.own
	input.subject.scopes[input.token.aud.id][s][0]
	every i, _ in input.token.chain {
		input.chain[i].scopes[input.token.aud.id][s][0]
	}
	consent.agreed(input.token.aud.id, s)
}

# METADATA
# description: What the token is worth. A scope through which details were held is worth nothing without them.
worth contains s if {
	some s in held
	not s in _bare
}

# METADATA
# description: Details of the token that its user still agrees to, and whose scope is still held.
shown contains d if {
	some d in input.token.details
	_through(d) in held
	_agreed(d)
}

_bare contains s if {
	some d in input.token.details
	s := _through(d)
	not s in {_through(other) | some other in shown}
}

_through(d) := details.types[d.type].scope if audience.id == input.token.aud.id

_agreed(_) if consent.unneeded

_agreed(d) if details.agreed(d)
