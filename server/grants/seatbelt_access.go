package grants

import (
	"fmt"
	"slices"

	"github.com/deputyauth/deputy/policies"
)

// beltAccess: nobody is said to have what they, or somebody who acts for them, do not
// hold, and nobody hears of a service that another client operates.
func beltAccess(in policies.Input, d policies.Decision) error {
	if in.Client == nil || !slices.ContainsFunc(in.Resources, func(r *policies.Fact[policies.Resource]) bool {
		return r != nil && r.Value.ID == d.Resource && r.Value.Operator == in.Client.Value.ID
	}) {
		return fmt.Errorf("service %s is not the client's", d.Resource)
	}
	if !slices.Equal(d.Scopes, in.Request.Scopes) {
		return fmt.Errorf("scopes %v were not asked about", d.Scopes)
	}
	if in.Request.Asked == nil {
		return fmt.Errorf("nobody was asked about")
	}
	chain := in.Request.Asked.Chain
	if in.Token != nil {
		chain = in.Token.Chain
	}
	if len(chain) != len(in.Chain) {
		return fmt.Errorf("of %d actors %d are known", len(chain), len(in.Chain))
	}
	for _, s := range d.Scopes {
		if in.Token != nil && (in.Token.Audience.ID != d.Resource || !slices.Contains(in.Token.Own, s)) {
			return fmt.Errorf("scope %s is not the token's", s)
		}
		for _, p := range append([]*policies.Fact[policies.Principal]{in.Subject}, in.Chain...) {
			if p == nil || p.Value.Scopes[d.Resource][s] == nil {
				return fmt.Errorf("scope %s is not held by everybody", s)
			}
		}
		if in.Subject.Value.Kind == "user" && len(chain) > 0 && !agreedTo(in, d.Resource, s) {
			return fmt.Errorf("scope %s was not consented to", s)
		}
	}
	return nil
}

// agreedTo: a consent names the scope, or leads to it.
func agreedTo(in policies.Input, resource, scope string) bool {
	if in.Token != nil {
		return consented(in, resource, scope)
	}
	return slices.ContainsFunc(in.Consents, func(c *policies.Consent) bool {
		return c != nil && !c.Revoked && c.ExpiresAt > in.Now && c.Subject == in.Subject.Value.ID && c.Reach[resource][scope] != nil
	})
}
