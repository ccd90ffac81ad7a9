# METADATA
# title: Final answer of the decision API
# description: The floor's answer, less what house policy denies.
# scope: package
package compose.access

import rego.v2

import data.compose.answer
import data.compose.house

# METADATA
# entrypoint: true
decision := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"scopes": _scopes,
	"resource": object.get(input.floor, "resource", ""),
}

reasons contains r if some r in input.floor.reasons

reasons contains r if some r in house.reasons

# METADATA
# custom: {lacks: answer, who: [host], remedy: "Find the fault in the log under this decision, and report it."}
reasons contains {"code": "policy_error", "party": "floor"} if not answer.sound

default _scopes := set()

_scopes := input.floor.scopes if count(reasons) == 0
