# METADATA
# title: Final answer to an administration question
# description: >-
#   The floor's answer, less what house policy denies. How long a secret lives that a
#   client makes for itself, the house may shorten.
# scope: package
package compose.admin

import rego.v2

import data.compose.answer
import data.compose.house

# METADATA
# entrypoint: true
decision := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"ttl": ttl,
} if {
	ttl
} else := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
}

ttl := min({input.floor.ttl, floor(input.house.max_ttl)})

ttl := input.floor.ttl if not input.house.max_ttl

reasons contains r if some r in input.floor.reasons

reasons contains r if some r in house.reasons

# METADATA
# custom: {lacks: answer, who: [host], remedy: "Find the fault in the log under this decision, and report it."}
reasons contains {"code": "policy_error", "party": "floor"} if not answer.sound
