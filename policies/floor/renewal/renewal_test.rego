# METADATA
# title: What comes of renewing one's own secret
# scope: package
package floor.renewal_test

import rego.v2

import data.floor.renewal

test_successor_lives_as_long_as_was_meant if {
	every life in [1, 86400, 253402300799] {
		_renewed({"overlap": 3600, "life": life}) == {"ttl": life, "codes": set()}
	}
}

test_nothing_is_renewed_before_it_is_told if {
	renewal.reasons == set() with input.request as {"scopes": []}
	not renewal.asked with input.request as {"scopes": []}
	not renewal.ttl with input.request as {"scopes": []}
}

test_overlap_is_long_enough_and_ends if {
	every seconds in [3600, 2592000] {
		_renewed({"overlap": seconds, "life": 10}).codes == set()
	}
	every seconds in [3599, 2592001, 0, -1, null, "3600", true, {}] {
		_renewed({"overlap": seconds, "life": 10}).codes == {"overlap_out_of_bounds"}
	}
	_renewed({"life": 10}).codes == {"overlap_out_of_bounds"}
}

test_life_must_be_known if {
	every life in [0, -1, 253402300800, null, "10", true, {}] {
		_renewed({"overlap": 3600, "life": life}) == {"ttl": "none", "codes": {"renewal_unknown"}}
	}
	_renewed({"overlap": 3600}).codes == {"renewal_unknown"}
}

test_what_is_told_as_nothing_is_not_renewed if {
	every nothing in [null, {}] {
		_renewed(nothing).codes == {"renewal_unknown", "overlap_out_of_bounds"}
	}
}

_renewed(told) := {"ttl": ttl, "codes": codes} if {
	codes := {r.code | some r in renewal.reasons} with input as {"client": {"id": "agt_a"}, "request": {"renewal": told}}
	ttl := _ttl(told)
}

_ttl(told) := ttl if {
	ttl := renewal.ttl with input.request.renewal as told
} else := "none"
