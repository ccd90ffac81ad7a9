package grants

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// grantor is whose rights bound what somebody allows, and whether anybody's do: what an
// agent may do by itself is its own, and what it would hand on is whose token that is.
func grantor(in policies.Input) (whose *policies.Fact[policies.Principal], counts bool) {
	if a := in.Approval; a == nil || a.Kind != models.ApprovalMachine {
		return in.Subject, true
	} else if a.GrantType == oauth.ClientCredentials {
		return nil, false
	}
	return in.Represented, true
}

// beltHour: what a machine may do once it may do within an hour.
func beltHour(in policies.Input, d policies.Decision) error {
	if a := in.Approval; a != nil && a.Kind == models.ApprovalMachine && in.Action == policies.AnswerApproval && (d.Until <= in.Now || d.Until > in.Now+3600) {
		return fmt.Errorf("an approval until %d, given at %d", d.Until, in.Now)
	}
	return nil
}

// beltApproval: what a machine brings was approved, of this client, for this grant and
// token, and for no less than it gets.
func beltApproval(in policies.Input, d policies.Decision) error {
	a, machine := in.Approval, in.Action == policies.IssueClientCredentials || in.Action == policies.IssueTokenExchange
	if !machine || a == nil && !in.Request.Approval {
		return nil
	}
	parent, grantType := "", oauth.ClientCredentials
	if in.Action == policies.IssueTokenExchange {
		grantType = oauth.TokenExchange
	}
	if in.Parent != nil {
		parent = in.Parent.ID
	}
	switch {
	case a == nil || a.Kind != models.ApprovalMachine || a.State != models.ApprovalApproved || a.Client != in.Client.Value.ID:
		return fmt.Errorf("an approval that is none")
	case a.Parent != parent || a.GrantType != grantType:
		return fmt.Errorf("an approval for %s with the token %q, brought for %s with %q", a.GrantType, a.Parent, grantType, parent)
	case in.Now+d.TTL > a.Until:
		return fmt.Errorf("the token would outlive what was approved by %d seconds", in.Now+d.TTL-a.Until)
	}
	for _, s := range d.Scopes {
		if !slices.Contains(a.Scopes[d.Resource], s) {
			return fmt.Errorf("scope %s was not approved", s)
		}
	}
	for _, one := range in.Request.Details {
		if !slices.ContainsFunc(a.Details[d.Resource], func(by policies.Detail) bool { return bytes.Equal(by, one) }) {
			return fmt.Errorf("details were not approved")
		}
	}
	return nil
}
