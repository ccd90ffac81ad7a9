package grants

import (
	"errors"
	"fmt"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// seatBelt verifies that an allowing decision stays within every party. It
// computes nothing and changes nothing: policy has decided, and this only
// refuses to believe an impossible answer. It should never fire.
func seatBelt(in policies.Input, d policies.Decision) error {
	if !d.Allow {
		return nil
	}
	if policies.Kind(in.Action) == policies.KindAuthorize {
		return beltGrants(in, d)
	}
	if policies.Kind(in.Action) == policies.KindEvents {
		return beltServices(in, d)
	}
	if policies.Kind(in.Action) == policies.KindAdmin {
		return beltRenewal(in, d)
	}
	if policies.Kind(in.Action) == policies.KindAccess {
		return beltAccess(in, d)
	}
	if policies.Kind(in.Action) != policies.KindIssue {
		return nil
	}
	for _, check := range []func(policies.Input, policies.Decision) error{beltTarget, beltScopes, beltDetails, beltChain, beltLife, beltIdentity, beltApproval} {
		if err := check(in, d); err != nil {
			return err
		}
	}
	return nil
}

// beltServices: nobody hears of a service that another client operates.
func beltServices(in policies.Input, d policies.Decision) error {
	for _, id := range d.Services {
		if in.Client == nil || !slices.ContainsFunc(in.Resources, func(r *policies.Fact[policies.Resource]) bool {
			return r != nil && r.Value.ID == id && r.Value.Operator == in.Client.Value.ID
		}) {
			return fmt.Errorf("service %s is not the client's", id)
		}
	}
	return nil
}

// beltGrants: nobody lets a client do what either cannot, or what was not asked for.
func beltGrants(in policies.Input, d policies.Decision) error {
	for _, g := range d.Grants {
		if in.Client == nil || in.Client.Value.Scopes[g.Resource][g.Scope] == nil {
			return fmt.Errorf("scope %s is not the client's", g.Scope)
		}
		if whose, counts := grantor(in); counts && (whose == nil || whose.Value.Scopes[g.Resource][g.Scope] == nil) {
			return fmt.Errorf("scope %s is not the user's", g.Scope)
		}
		if len(in.Request.Scopes) > 0 && !slices.Contains(in.Request.Scopes, g.Scope) {
			return fmt.Errorf("scope %s was not requested", g.Scope)
		}
	}
	if err := beltTicked(in, d); err != nil {
		return err
	}
	if err := beltHour(in, d); err != nil {
		return err
	}
	if in.Action == policies.AnswerConsent && (d.Until <= in.Now || d.Until > in.Subject.Value.ExpiresAt) {
		return fmt.Errorf("a consent until %d, asked at %d", d.Until, in.Now)
	}
	return nil
}

func beltTarget(in policies.Input, d policies.Decision) error {
	for _, r := range in.Resources {
		if r.Value.ID == d.Resource && r.Value.Identifier == d.Audience && d.Audience != "" {
			if len(in.Request.Resources) > 0 && !slices.Contains(in.Request.Resources, d.Audience) {
				return fmt.Errorf("audience %s was not asked for", d.Audience)
			}
			return nil
		}
	}
	return fmt.Errorf("audience %q is no resource server of this request", d.Audience)
}

func beltScopes(in policies.Input, d policies.Decision) error {
	if len(d.Scopes) == 0 {
		return fmt.Errorf("no scope")
	}
	for _, s := range d.Scopes {
		if len(in.Request.Scopes) > 0 && !slices.Contains(in.Request.Scopes, s) {
			return fmt.Errorf("scope %s was not requested", s)
		}
		if in.Client == nil || in.Client.Value.Scopes[d.Resource][s] == nil {
			return fmt.Errorf("scope %s is not the client's", s)
		}
		if in.Parent == nil && in.Authorization == nil {
			continue
		}
		if in.Subject == nil || in.Subject.Value.Scopes[d.Resource][s] == nil {
			return fmt.Errorf("scope %s is not the subject's", s)
		}
		if in.Subject.Value.Kind == "user" && !consented(in, d.Resource, s) {
			return fmt.Errorf("scope %s was not consented to", s)
		}
		if err := beltSource(in, d.Resource, s); err != nil {
			return err
		}
	}
	return nil
}

// beltSource: a scope comes from what was presented.
func beltSource(in policies.Input, resource, scope string) error {
	if in.Authorization != nil && in.Authorization.Scopes[resource][scope] == nil {
		return fmt.Errorf("scope %s is not within the authorization", scope)
	}
	if in.Parent == nil {
		return nil
	}
	if in.Parent.Scopes[resource][scope] == nil {
		return fmt.Errorf("scope %s is not within the parent token", scope)
	}
	for i, id := range in.Parent.Chain {
		if i >= len(in.Chain) || in.Chain[i] == nil || in.Chain[i].Value.Scopes[resource][scope] == nil {
			return fmt.Errorf("scope %s is not actor %s's", scope, id)
		}
	}
	return nil
}

// consented: first hand the consent names the scope, and otherwise it leads there.
func consented(in policies.Input, resource, scope string) bool {
	c := in.Consent
	switch {
	case c == nil || c.Revoked || c.ExpiresAt <= in.Now:
		return false
	case in.Authorization != nil:
		return c.Resource == resource && c.Scopes[scope]
	default:
		return c.Reach[resource][scope] != nil
	}
}

func beltChain(in policies.Input, d policies.Decision) error {
	if len(d.Chain) > policies.Ceiling {
		return fmt.Errorf("chain of %d actors", len(d.Chain))
	}
	if a := in.Authorization; a != nil {
		if d.Subject != a.Subject || a.Client != in.Client.Value.ID || !slices.Equal(d.Chain, []string{a.Client}) {
			return fmt.Errorf("what %s granted to %s speaks for %s through %v", a.Subject, a.Client, d.Subject, d.Chain)
		}
		return nil
	}
	if in.Parent == nil {
		if len(d.Chain) != 0 || d.Subject != in.Client.Value.ID {
			return fmt.Errorf("a token of the client's own speaks for %s through %v", d.Subject, d.Chain)
		}
		return nil
	}
	if d.Subject != in.Parent.Subject {
		return fmt.Errorf("the subject changed to %s", d.Subject)
	}
	if len(d.Chain) == 0 || d.Chain[0] != in.Client.Value.ID {
		return fmt.Errorf("the client is not the current actor of %v", d.Chain)
	}
	if slices.Equal(d.Chain, in.Parent.Chain) || slices.Equal(d.Chain[1:], in.Parent.Chain) {
		return nil
	}
	return fmt.Errorf("chain %v does not continue %v", d.Chain, in.Parent.Chain)
}

func beltLife(in policies.Input, d policies.Decision) error {
	if d.TTL < 1 {
		return fmt.Errorf("lifetime of %d seconds", d.TTL)
	}
	if d.Ends != 0 && in.Now+d.TTL != d.Ends {
		return fmt.Errorf("a lifetime of %d seconds from %d ends not at %d", d.TTL, in.Now, d.Ends)
	}
	if in.Parent != nil && in.Now+d.TTL > in.Parent.Expires {
		return fmt.Errorf("the token would outlive its parent by %d seconds", in.Now+d.TTL-in.Parent.Expires)
	}
	if a := in.Authorization; a != nil && in.Now+d.TTL > a.EndsAt {
		return fmt.Errorf("the token would outlive its grant by %d seconds", in.Now+d.TTL-a.EndsAt)
	}
	return nil
}

// beltIdentity: nobody is told who a user is unless the user and both parties' roles
// say so now, and for no longer than the access token lives.
func beltIdentity(in policies.Input, d policies.Decision) error {
	if d.IDToken == nil {
		return nil
	}
	const openid = "openid"
	a := in.Authorization
	if a == nil || a.Scopes[models.OpenIDID][openid] == nil {
		return errors.New("an ID token that nobody granted")
	}
	for _, p := range []*policies.Fact[policies.Principal]{in.Client, in.Subject} {
		if p == nil || p.Value.Scopes[models.OpenIDID][openid] == nil {
			return errors.New("an ID token for who does not hold the scope")
		}
	}
	if !slices.ContainsFunc(in.Consents, func(c *policies.Consent) bool {
		return c != nil && !c.Revoked && c.ExpiresAt > in.Now && c.Resource == models.OpenIDID && c.Scopes[openid]
	}) {
		return errors.New("an ID token without consent")
	}
	if d.IDToken.TTL < 1 || d.IDToken.TTL > d.TTL {
		return fmt.Errorf("an ID token for %d seconds beside an access token for %d", d.IDToken.TTL, d.TTL)
	}
	return nil
}
