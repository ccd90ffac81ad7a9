# METADATA
# title: What the floor said
# description: >-
#   An answer of the floor is sound if it allows and has no reason against it, or
#   refuses and says why. Anything else is no answer.
# scope: package
package compose.answer

import rego.v2

sound if {
	input.floor.allow == true
	count(input.floor.reasons) == 0
}

sound if {
	input.floor.allow == false
	count(input.floor.reasons) > 0
}

# METADATA
# description: The floor allows, and the house has nothing to say to it.
untouched if {
	input.floor.allow == true
	input.floor.reasons == set()
	_silence[input.house]
}

# A house that has rules which deny, remove or require gives their empty sets.
_silence := {
	{},
	{"deny": set()},
	{"remove": set()},
	{"require": set()},
	{"deny": set(), "remove": set()},
	{"deny": set(), "require": set()},
	{"remove": set(), "require": set()},
	{"deny": set(), "remove": set(), "require": set()},
}
