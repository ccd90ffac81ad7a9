# METADATA
# title: Final answer to a userinfo question
# description: The floor's answer, less what house policy denies or removes.
# scope: package
package compose.userinfo

import rego.v2

import data.compose.answer
import data.compose.house

# METADATA
# entrypoint: true
decision := {
	"allow": count(reasons) == 0,
	"reasons": reasons,
	"scopes": object.keys(_released),
	"release": union({names | some names in _released}),
	"removed": removed,
}

reasons contains r if some r in input.floor.reasons

reasons contains r if some r in house.reasons

# METADATA
# custom: {lacks: answer, who: [host], remedy: "Find the fault in the log under this decision, and report it."}
reasons contains {"code": "policy_error", "party": "floor"} if not answer.sound

# Nobody is shown without a name.
reasons contains r if {
	some r in removed
	r.scope == "openid"
}

removed contains r if {
	some scope, _ in input.floor.released
	some r in house.removals[scope]
}

_released[scope] := names if {
	some scope, names in input.floor.released
	not house.removals[scope]
}
