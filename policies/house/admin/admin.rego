# METADATA
# title: House rules for administration
# description: Yours to edit. Only deny counts here.
# scope: package
package house.admin

import rego.v2

# METADATA
# title: Frozen administrators
# description: The label that stops a client's tokens stops its hands here as well.
# custom: {remedy: Take the label off the client., who: [clients:write]}
deny contains {"code": "client_frozen", "value": input.client.id} if input.client.labels.frozen == "true"
