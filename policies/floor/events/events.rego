# METADATA
# title: Following events
# description: >-
#   Which events may a client follow? Those that concern the services it operates: it
#   hears of nobody who means nothing to them. To see all of them is a right over
#   Deputy's own API, which floor.admin asks about.
# scope: package
# schemas:
#   - input: schema.input
package floor.events

import rego.v2

import data.floor.standing

# METADATA
# entrypoint: true
decision := {"allow": count(reasons) == 0, "reasons": reasons, "services": services}

# METADATA
# description: >-
#   Ids of the services that the client hears of. One that is suspended is among them:
#   it does not keep what it was given for that.
services contains r.id if {
	some r in input.resources
	r.operator == input.client.id
}

# METADATA
# description: The client asks for itself, so nobody else's standing counts.
reasons contains r if {
	some r in standing.reasons
	object.get(r, "party", "client") == "client"
}

# METADATA
# custom: {lacks: entitlement, who: [resources:write], remedy: Make the client the operator of a resource server.}
reasons contains {"code": "operates_nothing", "party": "client", "id": standing.client_id} if count(services) == 0

# METADATA
# description: The name of the action lifts restrictions elsewhere, so it must be this one.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "action_unknown", "value": name} if {
	not input.action.name == "events"
	name := object.get(input, ["action", "name"], "")
}
