# METADATA
# title: What house policy said
# description: >-
#   Reads the contributions of house policy. A value of the wrong shape is not
#   skipped: it makes the whole answer a refusal, because a rule that was meant
#   to narrow and silently did not is a hole.
# scope: package
package compose.house

import rego.v2

reasons contains r if some r in denials

# METADATA
# custom: {lacks: answer, who: [author], remedy: "Mend the rule: its value has a shape that nobody reads."}
reasons contains {"code": "policy_error", "party": "house", "value": key} if some key in malformed

denials contains object.union(d, {"party": "house"}) if {
	some d in input.house.deny
	is_string(d.code)
}

denials contains {"code": d, "party": "house"} if {
	some d in input.house.deny
	is_string(d)
}

# METADATA
# custom: {lacks: scope, who: [author], remedy: "Change the rule, or what it looks at."}
removals[scope] contains {"code": "scope_removed", "party": "house", "scope": scope} if {
	some scope in input.house.remove
	is_string(scope)
}

removals[r.scope] contains object.union_n([{"code": "scope_removed"}, r, {"party": "house"}]) if {
	some r in input.house.remove
	_removal(r)
}

# METADATA
# description: Types of authorization details that are kept back.
# custom: {lacks: details, who: [author], remedy: "Change the rule, or what it looks at."}
detail_removals[type] contains {"code": "details_removed", "party": "house", "value": type} if {
	some r in input.house.remove
	_detail_removal(r)
	not r.code
	type := r.details
}

detail_removals[type] contains {"code": r.code, "party": "house", "value": type} if {
	some r in input.house.remove
	_detail_removal(r)
	type := r.details
}

malformed contains "house" if not is_object(input.house)

malformed contains key if {
	some key in {"deny", "remove", "require"}
	value := input.house[key]
	not is_set(value)
}

malformed contains "deny" if {
	some d in input.house.deny
	not _reason(d)
}

malformed contains "remove" if {
	some r in input.house.remove
	not is_string(r)
	not _removal(r)
	not _detail_removal(r)
}

malformed contains "require" if {
	some r in input.house.require
	not r in {"consent", "approval", "step_up"}
}

malformed contains "max_ttl" if {
	ttl := input.house.max_ttl
	not _positive(ttl)
}

malformed contains "claims" if {
	claims := input.house.claims
	not is_object(claims)
}

# A claim of the house is a name in the house's own namespace, so that it can
# never be taken for one of the token's own.
malformed contains "claims" if {
	some name, _ in input.house.claims
	not startswith(name, "https://")
	not startswith(name, "urn:")
}

_reason(d) if is_string(d)

_reason(d) if is_string(d.code)

_removal(r) if {
	is_string(r.scope)
	is_string(object.get(r, "code", "scope_removed"))
	not r.details
}

# One rule takes a scope away or a type, so that what it means can be read.
_detail_removal(r) if {
	is_string(r.details)
	is_string(object.get(r, "code", "details_removed"))
	not r.scope
}

_positive(ttl) if {
	is_number(ttl)
	ttl >= 1
}
