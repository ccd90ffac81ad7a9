# METADATA
# title: Final answer to a client that asks for a user
# description: >-
#   What the floor offers, less what the house takes away. The house can deny, have
#   the user be asked, keep scopes back and bring the end nearer, and nothing else.
# scope: package
package compose.authorize

import rego.v2

import data.compose.answer
import data.compose.house

# METADATA
# entrypoint: true
decision := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"ask": ask,
	"sign_in": input.floor.sign_in,
	"offers": offers,
	"grants": grants,
	"detail_offers": detail_offers,
	"detail_grants": detail_grants,
	"until": until,
	"once": input.floor.once,
}

ask := "consent" if {
	_asks_anyway
} else := input.floor.ask

offers := {_narrowed(o) | some o in input.floor.offers}

grants := {g | some g in input.floor.grants; not removals[[g.resource, g.scope]]}

detail_offers := {_narrowed_detail(o) | some o in input.floor.detail_offers}

detail_grants := {d |
	some d in input.floor.detail_grants
	some o in detail_offers
	o.resource == d.resource
	o.index == d.index
	o.state != "greyed"
}

# METADATA
# scope: document
# description: Why the house takes a scope away at a server. It is worth nothing without its details.
removals[[o.resource, o.scope]] contains r if {
	some o in input.floor.offers
	some r in house.removals[o.scope]
}

removals[[o.resource, o.scope]] contains r if {
	some o in input.floor.detail_offers
	every other in _beside(o) {
		house.detail_removals[other.type]
	}
	some r in house.detail_removals[o.type]
}

_beside(o) := {other |
	some other in input.floor.detail_offers
	other.resource == o.resource
	other.scope == o.scope
	other.state != "greyed"
}

# METADATA
# description: max_ttl is how long a consent may last from now on, in seconds.
until := min({input.floor.until, input.floor.now + floor(input.house.max_ttl)}) if {
	not input.floor.answers
	input.house.max_ttl
} else := input.floor.until

reasons contains r if some r in input.floor.reasons

reasons contains r if some r in house.reasons

# What a user allows is what they saw, or nothing.
reasons contains r if {
	input.floor.ask == "nothing"
	some g in input.floor.grants
	count(grants) == 0
	some r in removals[[g.resource, g.scope]]
}

reasons contains r if {
	input.floor.answers == true
	some g in input.floor.grants
	some r in removals[[g.resource, g.scope]]
}

reasons contains r if {
	input.floor.answers == true
	some d in input.floor.detail_grants
	some o in input.floor.detail_offers
	o.resource == d.resource
	o.index == d.index
	some r in house.detail_removals[o.type]
}

# Nor is a page shown on which there is nothing to tick.
reasons contains r if {
	count(input.floor.scopes) > 0
	every scope in input.floor.scopes {
		house.removals[scope]
	}
	some rs in house.removals
	some r in rs
}

# METADATA
# custom: {lacks: answer, who: [host], remedy: "Find the fault in the log under this decision, and report it."}
reasons contains {"code": "policy_error", "party": "floor"} if not answer.sound

# METADATA
# custom: {lacks: consent, who: [subject, author], remedy: Let the user be asked.}
reasons contains {"code": "consent_required", "party": "house"} if {
	_asks_anyway
	input.floor.silent == true
}

# METADATA
# custom: {lacks: approval, who: [requester, author], remedy: Use a grant in which a person approves the request.}
reasons contains {"code": "approval_required", "party": "house"} if {
	"approval" in input.house.require
	not input.floor.away == true
}

# METADATA
# custom: {lacks: approval, who: [requester, author], remedy: Use a grant in which a person can sign in anew.}
reasons contains {"code": "step_up_required", "party": "house"} if "step_up" in input.house.require

# METADATA
# custom: {lacks: term, who: [subject, author], remedy: Choose an earlier end.}
reasons contains {"code": "until_out_of_bounds", "party": "house"} if {
	input.floor.answers == true
	input.floor.until > input.floor.now + input.house.max_ttl
}

# A house that wants the user asked is content with the answer.
_asks_anyway if {
	"consent" in input.house.require
	input.floor.ask == "nothing"
	input.floor.answers == false
}

_narrowed(o) := object.union(o, {"state": "greyed", "reasons": (o.reasons | removals[[o.resource, o.scope]])}) if {
	removals[[o.resource, o.scope]]
} else := o

_narrowed_detail(o) := object.union(o, {"state": "greyed", "reasons": (o.reasons | why)}) if {
	why := object.get(house.removals, o.scope, set()) | object.get(house.detail_removals, o.type, set())
	count(why) > 0
} else := o
