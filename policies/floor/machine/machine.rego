# METADATA
# title: Machine
# description: >-
#   What a person is asked to let a client do by itself is what it could do, but for
#   their word: the token request is decided as it would be if it came now, so that
#   nobody is asked for what would be refused, and nothing is approved that has become so.
# scope: package
# schemas:
#   - input: schema.input
package floor.machine

import rego.v2

import data.floor.issue

# METADATA
# description: >-
#   Why there would be no token. Who looks at it or answers is a person: how the client
#   proves itself was seen when it asked, and will be again.
reasons contains r if {
	some r in _token.reasons
	not _proven_elsewhere(r)
}

_proven_elsewhere(r) if {
	r.code == "credential_unknown"
	input.action.name != "approval:ask"
}

_token := answer if answer := issue.thorough with input as _question

_question := object.union(
	object.remove(input, ["acquaintance", "approval", "consents", "represented", "session", "subject"]),
	object.union({"action": {"name": _action}}, _spoken_for),
)

default _spoken_for := {}

_spoken_for := {"subject": input.represented}

_action := actions[input.approval.grant_type]

default _action := "issue:access_token:unknown"

actions := {
	"client_credentials": "issue:access_token:client_credentials",
	"urn:ietf:params:oauth:grant-type:token-exchange": "issue:access_token:token_exchange",
}
