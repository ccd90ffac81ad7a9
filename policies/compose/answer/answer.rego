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
