# METADATA
# title: Scope intersection
# description: >-
#   granted = requested, less whatever any party lacks. A scope is a pair of
#   resource server and name, so every look-up goes through the audience. A
#   missing fact is a missing scope: it narrows, it never widens. To hold a scope
#   is to hold it through something, so a provenance that is empty holds nothing.
# scope: package
# schemas:
#   - input: schema.input
package floor.scope

import rego.v2

import data.floor.audience
import data.floor.consent
import data.floor.details
import data.floor.standing

requested contains s if some s in audience.asked

# Nothing requested means what the client was set up with, never everything.
requested contains s if {
	count(audience.asked) == 0
	not standing.personal
	some s in input.client.defaults[audience.id]
}

# Or, of what a person granted, all of it.
requested contains s if {
	count(audience.asked) == 0
	standing.personal
	some s, _ in input.authorization.scopes[audience.id]
}

granted contains s if {
	some s in requested
	not s in _lacked
}

_lacked contains m.scope if some m in missing

_compared contains s if {
	audience.id
	some s in requested
}

# METADATA
# custom: {lacks: scope, who: [requester, operator, resources:write],
#   remedy: "Define the scope there, or ask for one that is."}
missing contains {"code": "scope_unknown", "party": "resource", "id": audience.id, "scope": s} if {
	some s in requested
	not input.resources[audience.index].scopes[s].risk in audience.risks
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign],
#   remedy: "Assign the client a role with the scope, or ask for less."}
missing contains {"code": "scope_not_held", "party": "client", "id": standing.client_id, "scope": s} if {
	some s in _compared
	not input.client.scopes[audience.id][s][0]
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign],
#   remedy: "Assign the subject a role with the scope, or ask for less."}
missing contains {"code": "scope_not_held", "party": "subject", "id": standing.subject_id, "scope": s} if {
	not standing.autonomous
	some s in _compared
	not input.subject.scopes[audience.id][s][0]
}

# METADATA
# custom: {lacks: scope, who: [subject], remedy: Ask the user for consent to the scope.}
missing contains {"code": "scope_not_consented", "party": "consent", "id": standing.subject_id, "scope": s} if {
	some s in _compared
	not consent.agreed(audience.id, s)
}

# METADATA
# description: What is risky is approved each time.
# custom: {lacks: approval, who: [requester, subject, resources:write],
#   remedy: "Ask the user to approve it anew, ask for less, or lower the risk of the scope there."}
missing contains {"code": "approval_required", "party": "subject", "id": standing.subject_id, "scope": s} if {
	not consent.unneeded
	some s in _compared
	input.resources[audience.index].scopes[s].risk == "high"
	not consent.approved(audience.id, s)
}

# METADATA
# custom: {lacks: scope, who: [subject], remedy: Ask the user for the scope.}
missing contains {"code": "scope_not_authorized", "party": "grant", "id": grant_id, "scope": s} if {
	standing.personal
	some s in _compared
	not input.authorization.scopes[audience.id][s][0]
	grant_id := object.get(input, ["authorization", "id"], "")
}

# METADATA
# custom: {lacks: scope, who: [requester, resources:write],
#   remedy: "Present a token that reaches the scope, or let its scopes lead there."}
missing contains {"code": "scope_not_in_parent", "party": "parent", "id": parent_id, "scope": s} if {
	not standing.first
	some s in _compared
	not input.parent.scopes[audience.id][s][0]
	parent_id := object.get(input, ["parent", "jti"], "")
}

# METADATA
# custom: {lacks: scope, who: [owner, roles:assign], remedy: "Assign the actor a role with the scope, or ask for less."}
missing contains {"code": "scope_not_held", "party": "actor", "id": id, "scope": s} if {
	some s in _compared
	some i, id in input.parent.chain
	not input.chain[i].scopes[audience.id][s][0]
}

# METADATA
# description: What is held through a scope is part of what it allows; without it the scope would allow more.
# custom: {lacks: details, who: [requester, subject],
#   remedy: "Ask for authorization details that are covered, or leave the scope out."}
missing contains {"code": "details_missing", "party": "resource", "id": audience.id, "scope": s} if {
	some s in _compared
	s in details.bare
}

# METADATA
# description: Without a known audience nothing was compared, so nothing may be granted.
# custom: {lacks: scope, who: [requester, operator, resources:write],
#   remedy: "Define the scope there, or ask for one that is."}
missing contains {"code": "scope_unknown", "party": "resource", "scope": s} if {
	some s in requested
	not audience.id
}

# METADATA
# custom: {lacks: scope, who: [requester, clients:write], remedy: "Name a scope, or set the client a default there."}
reasons contains {"code": "scope_required", "party": "client", "id": standing.client_id} if count(requested) == 0

# METADATA
# description: What the user agreed to of what was requested.
consented contains s if {
	some s in requested
	consent.covers(audience.id, s)
}
