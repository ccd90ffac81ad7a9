package floor.access

import rego.v2

import data.floor.audience
import data.floor.consent
import data.floor.details
import data.floor.standing
import data.floor.token

# METADATA
# custom: {lacks: details, who: [requester, operator, resources:write], remedy: "Register the type there, or ask about one that is."}
reasons contains {"code": "details_type_unknown", "party": "resource", "id": server, "value": type} if {
	some d in (named | carried)
	not details.types[d.type].risk in audience.risks
	type := object.get(d, "type", "")
}

# METADATA
# custom: {lacks: scope, who: [requester], remedy: Ask about the scope through which the type is held.}
reasons contains {"code": "details_scope_missing", "party": "resource", "id": server, "scope": s} if {
	some d in named
	s := details.types[d.type].scope
	not s in input.request.scopes
}

# METADATA
# custom: {lacks: details, who: [requester], remedy: "Ask about what the token says, or less."}
reasons contains {"code": "details_not_covered", "party": "parent", "value": d.type} if {
	token.known
	some d in named
	not _covered(d, carried)
}

# METADATA
# custom: {lacks: details, who: [subject], remedy: "Ask about what the user agreed to or less, or ask the user again."}
reasons contains {"code": "details_not_covered", "party": "consent", "id": standing.subject_id, "value": d.type} if {
	some d in named
	not _detail_agreed(d)
}

# METADATA
# description: What is risky is approved each time, in a token.
# custom: {lacks: approval, who: [requester, subject, resources:write],
#   remedy: "Ask with a token that the user approved for this, or lower the risk of the type there."}
reasons contains {"code": "approval_required", "party": "subject", "id": standing.subject_id, "value": d.type} if {
	not consent.unneeded
	some d in named
	details.types[d.type].risk == "high"
	not consent.approved(server, details.types[d.type].scope)
}

# METADATA
# description: What is held through a scope bounds what it allows; without it the answer would say more.
# custom: {lacks: details, who: [requester], remedy: Say in authorization details what is to be done.}
reasons contains {"code": "details_missing", "party": "resource", "id": server, "scope": s} if {
	named == set()
	some d in carried
	s := details.types[d.type].scope
	s in input.request.scopes
}

# METADATA
# description: What the service says is to be done.
named contains d if some d in input.request.details

# METADATA
# scope: document
# description: What the token says of it at this service, or, without one, the user's consent.
carried contains d if {
	token.presented.aud.id == audience.id
	some d in token.presented.details
}

carried contains d if {
	some agreement in agreements
	agreement.resource == server
	some d in agreement.details
}

_detail_agreed(_) if consent.unneeded

_detail_agreed(_) if alone

_detail_agreed(d) if details.agreed(d)

_detail_agreed(d) if {
	not by_token
	_covered(d, carried)
}

_covered(d, bounds) if {
	some by in bounds
	details.covers(details.types, d, by)
}
