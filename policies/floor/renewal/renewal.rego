# METADATA
# title: Renewing one's own secret
# description: >-
#   A client that makes the successor of its secret by itself gets no longer a life
#   with it than it was given, and the old one goes on working for long enough that
#   nobody is shut out who has it, too, and not for good.
# scope: package
# schemas:
#   - input: schema.input
package floor.renewal

import rego.v2

import data.floor.standing

# METADATA
# description: For so many seconds the old secret goes on working, at least and at most.
overlap := {"least": 3600, "most": 2592000}

# METADATA
# description: What is renewed is told. Before it is, policy is asked whether anything may be.
asked if input.request.renewal

# METADATA
# description: Seconds that the successor lives.
ttl := input.request.renewal.life if _known

# Nothing but a number lies between two of them.
_known if {
	input.request.renewal.life >= 1
	input.request.renewal.life <= 253402300799
}

_long_enough if {
	input.request.renewal.overlap >= overlap.least
	input.request.renewal.overlap <= overlap.most
}

# METADATA
# description: What is not told cannot be without end.
# custom: {party: deputy, lacks: version, who: [host], remedy: Run server and policy of one release.}
reasons contains {"code": "renewal_unknown", "party": "client", "id": standing.client_id} if {
	asked
	not _known
}

# METADATA
# custom: {lacks: lifetime, who: [requester], remedy: Ask for an overlap of an hour to thirty days.}
reasons contains {"code": "overlap_out_of_bounds", "party": "client", "id": standing.client_id} if {
	asked
	not _long_enough
}
