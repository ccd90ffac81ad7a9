# METADATA
# title: Authorization details
# description: >-
#   Each object of authorization_details (RFC 9396) that is granted is covered by one
#   that every party has: the consent, what the person granted, the parent token. An
#   object covers another of its type if each field narrows as the resource server says
#   of the type. Objects are held through a scope, so roles decide who may ask for them;
#   and that scope is worth nothing without one, once one was asked for or granted.
# scope: package
# schemas:
#   - input: schema.input
package floor.details

import rego.v2

import data.floor.audience
import data.floor.consent
import data.floor.scope
import data.floor.standing

# METADATA
# description: What the token is to say. A request that names none means what is presented.
wanted contains d if some d in input.request.details

wanted contains d if {
	not named
	some d in carried
}

named if count(input.request.details) > 0

# METADATA
# scope: document
# description: What is presented has of them, at this resource server and no other.
carried contains d if some d in input.authorization.details[audience.id]

carried contains d if {
	input.parent.aud.id == audience.id
	some d in input.parent.details
}

# METADATA
# description: What the resource server says of its types.
types := input.resources[audience.index].types

granted contains d if {
	some d in covered
	types[d.type].scope in scope.granted
}

# METADATA
# description: What nothing is missing for, but perhaps the scope.
covered contains d if {
	some d in wanted
	not _unapproved(d)
	every party in {"consent", "grant", "parent"} {
		_covered_by(party, d)
	}
}

# METADATA
# description: The types of what is granted, and through which scope they are held.
through[d.type] := types[d.type].scope if some d in granted

# METADATA
# description: Scopes of which all that was to be done with them is gone.
bare contains s if {
	some d in (wanted | carried)
	s := types[d.type].scope
	not _served[s]
}

_served contains types[d.type].scope if some d in covered

# METADATA
# custom: {lacks: details, who: [requester, operator, resources:write], remedy: "Register the type there, or ask for one that is."}
unknown contains {"code": "details_type_unknown", "party": "resource", "id": _server, "value": type} if {
	some d in (wanted | carried)
	not _known(d)
	type := object.get(d, "type", "")
}

# METADATA
# scope: document
# description: Parties that have nothing which covers some object of a type.
# custom: {lacks: details, who: [subject], remedy: "Ask for what the user agreed to or less, or ask the user again."}
uncovered contains {"code": "details_not_covered", "party": "consent", "id": standing.subject_id, "value": d.type} if {
	some d in wanted
	not _covered_by("consent", d)
}

# METADATA
# custom: {lacks: details, who: [requester, subject], remedy: "Ask for what the user granted or less, or ask the user again."}
uncovered contains {"code": "details_not_covered", "party": "grant", "id": id, "value": d.type} if {
	some d in wanted
	not _covered_by("grant", d)
	id := object.get(input, ["authorization", "id"], "")
}

# METADATA
# custom: {lacks: details, who: [requester], remedy: "Ask for what the presented token says or less, at the service it is for."}
uncovered contains {"code": "details_not_covered", "party": "parent", "id": id, "value": d.type} if {
	some d in wanted
	not _covered_by("parent", d)
	id := object.get(input, ["parent", "jti"], "")
}

# METADATA
# description: What is risky is approved each time.
# custom: {lacks: approval, who: [subject, resources:write], remedy: "Ask the user to approve it, or lower the risk of the type there."}
unapproved contains {"code": "approval_required", "party": "subject", "id": standing.subject_id, "value": d.type} if {
	some d in wanted
	_unapproved(d)
}

# METADATA
# custom: {lacks: scope, who: [requester, owner, roles:assign], remedy: "Ask for the scope of the type as well, and hold it."}
scopeless contains {"code": "details_scope_missing", "party": "client", "id": standing.client_id, "scope": s} if {
	some d in covered
	s := types[d.type].scope
	not s in scope.granted
}

# METADATA
# description: Why something of what was to be granted is not.
missing := (uncovered | unapproved) | scopeless

reasons contains r if some r in unknown

# A machine is answered exactly: what it names, or nothing.
reasons contains r if {
	named
	not standing.personal
	some r in missing
}

# Of what a person granted something must be left, if anything is asked for.
reasons contains r if {
	named
	count(granted) == 0
	some r in missing
}

_known(d) if types[d.type].risk in audience.risks

_unapproved(d) if {
	not consent.unneeded
	types[d.type].risk == "high"
	not consent.approved(audience.id, types[d.type].scope)
}

_covered_by("consent", _) if consent.unneeded

_covered_by("consent", d) if agreed(d)

_covered_by("grant", _) if not standing.personal

_covered_by("grant", d) if {
	some by in input.authorization.details[audience.id]
	covers(types, d, by)
}

_covered_by("parent", _) if standing.first

_covered_by("parent", d) if {
	input.parent.aud.id == audience.id
	some by in input.parent.details
	covers(types, d, by)
}

# METADATA
# description: Whether the user's consent covers an object.
agreed(d) if {
	consent.live(input.consent)
	input.consent.resource == audience.id
	some by in input.consent.details
	covers(types, d, by)
}

# METADATA
# description: >-
#   Whether an object is no more than another: the same fields, each of them the same or
#   narrower in the way that its type says. What is absent from one may stand for
#   anything, so it must be absent from both.
covers(kinds, d, by) if {
	object.keys(d) == object.keys(by)
	narrow := kinds[d.type].narrow
	every field, value in d {
		_narrower(object.get(narrow, field, "same"), value, by[field])
	}
}

_narrower(_, value, bound) if value == bound

_narrower("at_most", value, bound) if {
	is_number(value)
	is_number(bound)
	value >= 0
	value <= bound
}

_narrower("at_most", value, bound) if {
	_decimal(value)
	_decimal(bound)
	to_number(value) <= to_number(bound)
}

# To many services an empty list means everything.
_narrower("subset", values, bounds) if {
	is_array(values)
	is_array(bounds)
	count(values) > 0
	every value in values {
		value in bounds
	}
}

# Of no more digits than numbers are compared with exactly.
_decimal(text) if {
	is_string(text)
	regex.match(`^(0|[1-9][0-9]{0,11})([.][0-9]{1,6})?$`, text)
}

default _server := ""

_server := audience.id
