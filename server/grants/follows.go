package grants

import (
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// causes lists, for reasons that may be mere consequences, what they then follow from.
var causes = map[string][]string{
	"lifetime_unknown":     {"resource_several", "resource_unknown", "resource_required", "resource_ambiguous"},
	"chain_too_deep":       {"resource_several", "resource_unknown", "resource_required", "resource_ambiguous"},
	"scope_unknown":        {"resource_several", "resource_unknown", "resource_required", "resource_ambiguous"},
	"scope_not_held":       {"scope_unknown"},
	"scope_not_consented":  {"scope_unknown"},
	"scope_not_in_parent":  {"scope_unknown"},
	"scope_not_authorized": {"scope_unknown"},
	"details_not_covered":  {"resource_several", "resource_unknown", "resource_required", "resource_ambiguous", "details_type_unknown"},
	"subject_mismatch":     {"subject_unknown"},
	"details_missing":      {"details_type_unknown", "details_not_covered", "approval_required"},
	"lifetime_exhausted":   {"client_expired", "subject_expired", "actor_expired", "token_expired", "grant_ended", "authorization_ended"},
}

// follows tells whether a reason is only there because of another.
func follows(r policies.Reason, reasons []policies.Reason) bool {
	if slices.Contains(conclusive, r.Code) {
		return false
	}
	return slices.ContainsFunc(reasons, func(other policies.Reason) bool {
		if slices.Contains(conclusive, other.Code) {
			return true
		}
		return slices.Contains(causes[r.Code], other.Code) && about(r, other)
	})
}

// about tells whether a cause is about the same thing. What is unknown of the
// resource server follows from it being unknown, and of a scope likewise.
func about(r, cause policies.Reason) bool {
	switch r.Code {
	case "chain_too_deep", "scope_unknown":
		return r.ID == ""
	case "scope_not_held", "scope_not_consented", "scope_not_in_parent", "scope_not_authorized":
		return r.Scope == cause.Scope
	}
	return true
}
