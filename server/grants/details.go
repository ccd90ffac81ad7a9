package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Authorization details (RFC 9396): what their schemas say of them is a fact, and
// whether they are granted is policy's.

// wellFormed refuses details that do not fit the schema of their type, at any resource
// server that may be meant. Where nobody knows the type, policy says so.
func (f *facts) wellFormed(ctx context.Context, in *policies.Input) error {
	for _, d := range in.Request.Details {
		kind := kindOf(d)
		for _, r := range in.Resources {
			if _, known := r.Value.Types[kind]; !known {
				continue
			}
			checks, err := f.view.DetailChecks(ctx, r.Value.ID)
			if err != nil {
				return err
			}
			if check := checks[kind]; check != nil {
				if wrong := check.Check(d); wrong != "" {
					return oauth.Errorf(oauth.InvalidAuthorizationDetails, "authorization_details of type %s: %s.", kind, wrong).Named("details_mismatch")
				}
			}
		}
	}
	return nil
}

// typesOf adds the service a token is locked to where the token says details: what
// they are worth hangs from what the service says of their types now.
func (f *facts) typesOf(ctx context.Context, in *policies.Input) error {
	if in.Action != policies.Introspect || in.Token == nil || len(in.Token.Details) == 0 || in.Token.Audience.ID == "" {
		return nil
	}
	r, err := f.view.Resource(ctx, in.Token.Audience.ID)
	if r != nil {
		in.Resources = []*policies.Fact[policies.Resource]{r}
	}
	return err
}

func kindOf(d policies.Detail) string {
	var head struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(d, &head) // what cannot be read has no type
	return head.Type
}

// details are those that a decision about a person grants, by resource server.
func (q *asking) details() map[string][]policies.Detail {
	out := map[string][]policies.Detail{}
	for _, g := range q.decision.DetailGrants {
		out[g.Resource] = append(out[g.Resource], q.in.Request.Details[g.Index])
	}
	return out
}

// shown are the details that the page had of a resource server, for the person to tick.
func (q *asking) shown(resource string) []policies.Detail {
	var out []policies.Detail
	for _, o := range q.decision.DetailOffers {
		if o.Resource == resource && o.State != "greyed" {
			out = append(out, q.in.Request.Details[o.Index])
		}
	}
	return out
}

// fell tells of a scope that the person ticked, and that is not granted all the same,
// because they ticked none of the details that go with it: they did not take it back.
func (q *asking) fell(o policies.Offer) bool {
	pair := policies.Grants{Resource: o.Resource, Scope: o.Scope}
	return slices.Contains(q.in.Request.Answer.Scopes, pair) && !slices.Contains(q.decision.Grants, pair)
}

// beltTicked: details that a person allows were asked for, and go with their scope.
func beltTicked(in policies.Input, d policies.Decision) error {
	for _, o := range d.DetailOffers {
		if o.Index < 0 || o.Index >= len(in.Request.Details) {
			return fmt.Errorf("details are offered at place %d", o.Index)
		}
	}
	for _, g := range d.DetailGrants {
		if g.Index < 0 || g.Index >= len(in.Request.Details) {
			return fmt.Errorf("details are granted at place %d", g.Index)
		}
		i := slices.IndexFunc(in.Resources, func(r *policies.Fact[policies.Resource]) bool { return r != nil && r.Value.ID == g.Resource })
		if i < 0 {
			return fmt.Errorf("details are granted at %s, which nobody asked about", g.Resource)
		}
		kind, known := in.Resources[i].Value.Types[kindOf(in.Request.Details[g.Index])]
		if !known || !slices.Contains(d.Grants, policies.Grants{Resource: g.Resource, Scope: kind.Scope}) {
			return fmt.Errorf("details are granted at %s without their scope", g.Resource)
		}
	}
	return nil
}

// beltDetails: every object is no more than one that each party has, and goes with
// its scope.
func beltDetails(in policies.Input, d policies.Decision) error {
	if len(d.Details) == 0 {
		return nil
	}
	types := map[string]policies.DetailType{}
	for _, r := range in.Resources {
		if r.Value.ID == d.Resource {
			types = r.Value.Types
		}
	}
	parties := detailParties(in, d.Resource)
	for _, object := range d.Details {
		kind, known := types[kindOf(object)]
		if !known || !slices.Contains(d.Scopes, kind.Scope) {
			return fmt.Errorf("details of type %s without their scope", kindOf(object))
		}
		for name, has := range parties {
			if !slices.ContainsFunc(has, func(by policies.Detail) bool { return within(kind.Narrow, object, by) }) {
				return fmt.Errorf("details of type %s are not within the %s's", kindOf(object), name)
			}
		}
	}
	return nil
}

// detailParties are those whose details bound what is granted, with what they have.
func detailParties(in policies.Input, resource string) map[string][]policies.Detail {
	parties := map[string][]policies.Detail{}
	if len(in.Request.Details) > 0 {
		parties["request"] = in.Request.Details
	}
	if in.Authorization != nil {
		parties["authorization"] = in.Authorization.Details[resource]
	}
	if in.Parent != nil {
		parties["parent"] = nil
		if in.Parent.Audience.ID == resource {
			parties["parent"] = in.Parent.Details
		}
	}
	if in.Subject != nil && in.Subject.Value.Kind == "user" && (in.Parent != nil || in.Authorization != nil) {
		parties["consent"] = nil
		if c := in.Consent; c != nil && !c.Revoked && c.ExpiresAt > in.Now && c.Resource == resource {
			parties["consent"] = c.Details
		}
	}
	return parties
}

// within tells whether an object is no more than another, in the way its type says.
func within(narrow map[string]string, object, by policies.Detail) bool {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(object, &a) != nil || json.Unmarshal(by, &b) != nil || len(a) != len(b) {
		return false
	}
	for field, value := range a {
		bound, there := b[field]
		if !there || string(value) != string(bound) && !narrower(narrow[field], value, bound) {
			return false
		}
	}
	return true
}

func narrower(word string, value, bound json.RawMessage) bool {
	switch word {
	case policies.NarrowAtMost:
		v, text := amount(value)
		b, alike := amount(bound)
		return v != nil && b != nil && text == alike && v.Sign() >= 0 && v.Cmp(b) <= 0
	case policies.NarrowSubset:
		var some, all []json.RawMessage
		if json.Unmarshal(value, &some) != nil || json.Unmarshal(bound, &all) != nil || len(some) == 0 {
			return false
		}
		return !slices.ContainsFunc(some, func(one json.RawMessage) bool {
			return !slices.ContainsFunc(all, func(other json.RawMessage) bool { return string(one) == string(other) })
		})
	default:
		return false
	}
}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$`)

// amount reads a number, or a decimal that is written as text; nil if it is neither.
func amount(v json.RawMessage) (n *big.Rat, text bool) {
	var s string
	if json.Unmarshal(v, &s) == nil {
		if !decimal.MatchString(s) {
			return nil, true
		}
		n, _ = new(big.Rat).SetString(s)
		return n, true
	}
	var whole int64
	if json.Unmarshal(v, &whole) != nil || string(v) == "null" {
		return nil, false
	}
	return new(big.Rat).SetInt64(whole), false
}
