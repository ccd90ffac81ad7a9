package policies

import "encoding/json"

// Detail is one object of authorization_details (RFC 9396 section 2) as JSON, its
// keys in order. No two ways of writing the same object are left.
type Detail = json.RawMessage

// DetailType is what a resource server says of a type of authorization details.
type DetailType struct {
	Scope string `json:"scope"` // through which objects of the type are held
	Risk  string `json:"risk"`  // low | medium | high
	// Narrow: field -> how it may differ from what covers it. A field that is not
	// named must be the same.
	Narrow map[string]string `json:"narrow"`
}

// How a field of a detail may differ from the same field of what covers it.
const (
	NarrowSame   = "same"
	NarrowAtMost = "at_most" // both numbers, or both decimals written as text
	NarrowSubset = "subset"  // both lists; an empty one is a subset of an empty one alone
)
