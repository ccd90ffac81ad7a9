# METADATA
# title: Final answer to an introspection question
# description: The floor's answer, less what house policy denies.
# scope: package
package compose.introspect

import rego.v2

import data.compose.answer
import data.compose.house

# METADATA
# entrypoint: true
decision := {
	"allow": true,
	"reasons": set(),
	"scopes": input.floor.scopes,
	"valid_until": input.floor.valid_until,
} if {
	input.floor.details == set()
	answer.untouched
} else := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"scopes": _scopes,
	"valid_until": object.get(input.floor, "valid_until", 0),
	"details": object.get(input.floor, "details", set()),
}

reasons contains r if some r in input.floor.reasons

reasons contains r if some r in house.reasons

# METADATA
# custom: {lacks: answer, who: [host], remedy: "Find the fault in the log under this decision, and report it."}
reasons contains {"code": "policy_error", "party": "floor"} if not answer.sound

default _scopes := set()

_scopes := input.floor.scopes
