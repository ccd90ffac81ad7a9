# METADATA
# title: Final answer to an issue question
# description: >-
#   floor ∩ house. Only set difference, union and minimum are used, so no value
#   house policy can give makes the grant larger than the floor's.
# scope: package
package compose.issue

import rego.v2

import data.compose.answer
import data.compose.house

# METADATA
# entrypoint: true
# description: >-
#   What the floor allows and the house says nothing about stands as it is.
decision := {
	"allow": true,
	"reasons": set(),
	"scopes": input.floor.scopes,
	"resource": input.floor.resource,
	"audience": input.floor.audience,
	"ttl": input.floor.ttl,
	"ends": input.floor.ends,
	"valid_until": input.floor.valid_until,
	"subject": input.floor.subject,
	"chain": input.floor.chain,
	"claims": {},
	"removed": input.floor.removed,
	"refreshable": input.floor.refreshable,
} if {
	input.floor.id_token == {}
	input.floor.details == set()
	answer.untouched
} else := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"scopes": _left,
	"resource": input.floor.resource,
	"audience": input.floor.audience,
	"ttl": ttl,
	"ends": _ends,
	"valid_until": _valid_until,
	"subject": input.floor.subject,
	"chain": input.floor.chain,
	"claims": object.get(input, ["house", "claims"], {}),
	"removed": union({removed, object.get(input.floor, "removed", set())}),
	"refreshable": object.get(input.floor, "refreshable", false),
	"id_token": _id_token,
	"details": details,
}

reasons contains r if some r in input.floor.reasons

reasons contains r if some r in house.reasons

# Machine grants are answered exactly: what the house takes away was asked for. Of
# what a person granted the rest is left, if there is any.
reasons contains r if {
	not _something_left
	some r in removed
}

_left := input.floor.scopes - (_removed_scopes | _bare)

# METADATA
# description: Details of a type that the house removes go, and those whose scope goes.
details := {d |
	some d in object.get(input.floor, "details", set())
	not house.detail_removals[d.type]
	not input.floor.through[d.type] in _removed_scopes
}

# A scope is worth nothing without what was to be done with it.
_bare contains scope if {
	some type, scope in object.get(input.floor, "through", {})
	house.detail_removals[type]
	not scope in {input.floor.through[d.type] | some d in details}
}

_something_left if {
	input.floor.narrows == true
	count(_left) > 0
}

# METADATA
# custom: {lacks: answer, who: [host], remedy: "Find the fault in the log under this decision, and report it."}
reasons contains {"code": "policy_error", "party": "floor"} if not answer.sound

# METADATA
# description: >-
#   A user's standing consent answers a house rule that asks for one, and what they
#   approved answers one that asks for that. Step-up needs a person at hand.
# custom: {lacks: consent, who: [subject, author], remedy: Ask the user for consent.}
reasons contains {"code": "consent_required", "party": "house"} if {
	"consent" in input.house.require
	not input.floor.consented == true
}

# METADATA
# custom: {lacks: approval, who: [requester, subject, author], remedy: Have a person approve the request and bring that; or use a grant in which they are asked.}
reasons contains {"code": "approval_required", "party": "house"} if {
	"approval" in input.house.require
	not input.floor.approved == true
}

# METADATA
# custom: {lacks: approval, who: [requester, author], remedy: Use a grant in which a person can sign in anew.}
reasons contains {"code": "step_up_required", "party": "house"} if "step_up" in input.house.require

# An ID token says no more of the user than the house leaves, and nothing at all if
# the house takes openid away.
default _id_token := {}

_id_token := {"claims": union({names | some names in _released}), "ttl": min({input.floor.id_token.ttl, ttl})} if _released.openid

_released[scope] := names if {
	some scope, names in input.floor.id_token.released
	not house.removals[scope]
}

removed contains r if {
	some scope in object.keys(object.get(input.floor, ["id_token", "released"], {}))
	some r in house.removals[scope]
}

removed contains r if {
	some scope in input.floor.scopes
	some r in house.removals[scope]
}

removed contains r if {
	some d in object.get(input.floor, "details", set())
	some r in house.detail_removals[d.type]
}

_removed_scopes contains r.scope if some r in removed

_limit := floor(input.house.max_ttl)

ttl := min({input.floor.ttl, _limit})

ttl := input.floor.ttl if not input.house.max_ttl

# The token gets what the house allows: no end is near enough to cut it short.
_limited if _limit <= input.floor.ttl

default _ends := 0

_ends := input.floor.ends if not _limited

default _valid_until := 0

# It gets that until an end is nearer, if the floor's answer holds for so long.
_valid_until := min({input.floor.valid_until, input.floor.ends - _limit}) if {
	_limited
	input.floor.ends > 0
} else := input.floor.valid_until
