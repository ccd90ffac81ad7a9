# METADATA
# title: Lifetime
# description: >-
#   A token never outlives anything it hangs from: the parent token, its grant or
#   the authorization it comes from, the consent, what was approved for it, every identity that takes part, and whoever answers for one.
# scope: package
# schemas:
#   - input: schema.input
package floor.lifetime

import rego.v2

import data.floor.audience
import data.floor.standing

# METADATA
# scope: document
# description: Seconds the token may live.
ttl := min(bounds | limits) if _all_known

# METADATA
# description: >-
#   The moment the token ends at, if it ends because somebody or something does
#   before it has had all the seconds it may have.
ends := input.now + ttl if ttl < min(limits)

limits contains input.resources[audience.index].token_ttl

limits contains input.client.max_ttl

limits contains input.request.requested_ttl

bounds contains input.client.expires_at - input.now

bounds contains input.parent.exp - input.now

bounds contains input.parent.grant.expires_at - input.now

bounds contains input.authorization.ends_at - input.now

bounds contains input.subject.expires_at - input.now

bounds contains input.consent.expires_at - input.now

bounds contains input.approval.until - input.now

bounds contains actor.expires_at - input.now if some actor in input.chain

# Nobody owns a user, and an application need not be owned: that sets no bound.
bounds contains input.client.owner.expires_at - input.now

bounds contains input.subject.owner.expires_at - input.now

bounds contains actor.owner.expires_at - input.now if some actor in input.chain

_all_known if {
	_own_bounds_known
	standing.autonomous
}

_all_known if {
	_own_bounds_known
	is_number(input.parent.exp)
	is_number(input.subject.expires_at)
}

_all_known if {
	_own_bounds_known
	standing.personal
	is_number(input.authorization.ends_at)
	is_number(input.subject.expires_at)
}

_own_bounds_known if {
	is_number(input.resources[audience.index].token_ttl)
	is_number(input.client.max_ttl)
	is_number(input.client.expires_at)
}

# METADATA
# custom: {lacks: lifetime, who: [requester], remedy: Ask again with everything known that sets the lifetime.}
reasons contains {"code": "lifetime_unknown", "party": "resource"} if not ttl

# METADATA
# custom: {lacks: lifetime, who: [requester], remedy: "Extend what ends first, or get a newer token."}
reasons contains {"code": "lifetime_exhausted", "party": "resource"} if ttl < 1
