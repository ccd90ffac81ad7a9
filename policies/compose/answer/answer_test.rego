# METADATA
# title: Which answers of the floor are answers
# scope: package
package compose.answer_test

import rego.v2

import data.compose.answer

_refusal := {"code": "client_inactive", "party": "client"}

test_allowing_without_reasons_is_sound if _sound({"allow": true, "reasons": set()})

test_refusing_with_reasons_is_sound if _sound({"allow": false, "reasons": {_refusal}})

test_allowing_despite_reasons_is_not if not _sound({"allow": true, "reasons": {_refusal}})

test_refusing_without_reasons_is_not if not _sound({"allow": false, "reasons": set()})

test_answer_without_reasons_is_none if not _sound({"allow": true})

test_answer_without_verdict_is_none if not _sound({"reasons": set()})

test_no_answer_is_not_sound if not answer.sound with input as {}

_sound(said) if {
	answer.sound with input.floor as said
}
