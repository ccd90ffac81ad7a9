package grants

import (
	"context"
	"slices"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// carried is a code or refresh token that was presented, and what it carries.
type carried struct {
	models.Carried
	raw   string
	again bool // it was used a moment ago, and is answered as it was then
}

// authorization is what a person granted, less how it was presented.
func authorization(c *models.Carried) *policies.Authorization {
	a := &policies.Authorization{
		ID: c.Grant.ID, Kind: c.Grant.Kind, Client: c.Grant.ClientID, Subject: c.Grant.SubjectID, Resources: c.Resources(),
		Scopes: map[string]map[string][]string{}, EndsAt: c.Grant.ExpiresAt, Revoked: c.Grant.RevokedAt != 0,
		AuthTime: c.Code.AuthTime, ACR: c.Code.ACR, AMR: c.Code.AMR, Nonce: c.Code.Nonce,
	}
	if len(c.Code.Details) > 0 {
		a.Details = c.Code.Details
	}
	for resource, scopes := range c.Code.Scopes {
		a.Scopes[resource] = map[string][]string{}
		for _, s := range scopes {
			a.Scopes[resource][s] = []string{s}
		}
	}
	return a
}

// granted adds what is so now of what a person granted: who they are, the resource
// server that is meant, and their consent there.
func (f *facts) granted(ctx context.Context, req oauth.TokenRequest, in *policies.Input) error {
	if in.Authorization == nil {
		in.Request.TokenProblem = string(tokens.Unknown)
		return f.target(ctx, req, in)
	}
	var err error
	if in.Subject, err = f.view.Principal(ctx, in.Authorization.Subject); err != nil {
		return err
	}
	if len(req.Resources) > 0 {
		err = f.target(ctx, req, in)
	} else {
		err = f.grantedAt(ctx, req.Scopes, in)
	}
	if err == nil && len(in.Resources) == 1 {
		in.Consent, err = f.view.ConsentAt(ctx, in.Authorization.ID, in.Resources[0].Value.ID)
	}
	if err != nil {
		return err
	}
	return f.identified(ctx, in)
}

// identified adds the consent to say who the user is, if that was granted: besides
// the access token, wherever that is for, an ID token may be.
func (f *facts) identified(ctx context.Context, in *policies.Input) error {
	if in.Authorization.Scopes[models.OpenIDID] == nil {
		return nil
	}
	consent, err := f.view.ConsentAt(ctx, in.Authorization.ID, models.OpenIDID)
	if err != nil || consent == nil {
		return err
	}
	in.Consents = []*policies.Consent{consent}
	return nil
}

// grantedAt adds the resource servers that can be meant where none is named: those
// at which the scopes that are asked for were granted, or, if they were at none,
// all that the grant is for. Who somebody is, the ID token says: an access token for
// that is meant only where nothing else is asked for, or was granted.
func (f *facts) grantedAt(ctx context.Context, scopes []string, in *policies.Input) error {
	all, granted := in.Authorization.Resources, in.Authorization.Scopes
	lacks := func(id string, asked []string) bool {
		return slices.ContainsFunc(asked, func(s string) bool { return granted[id][s] == nil })
	}
	asked := without(scopes, func(s string) bool { // those that were granted anywhere
		return !slices.ContainsFunc(all, func(id string) bool { return granted[id][s] != nil })
	})
	others := without(all, func(id string) bool { return id == models.OpenIDID })
	ids := without(all, func(id string) bool { return lacks(id, asked) })
	if len(asked) == 0 || len(ids) == 0 {
		work := without(asked, func(s string) bool { return granted[models.OpenIDID][s] != nil })
		ids = without(others, func(id string) bool { return lacks(id, work) })
	}
	if len(ids) == 0 {
		ids = others
	}
	if len(ids) == 0 {
		ids = all
	}
	for _, id := range ids {
		r, err := f.view.Resource(ctx, id)
		if err != nil {
			return err
		}
		if r != nil {
			in.Resources = append(in.Resources, r)
		}
	}
	return nil
}

func without(list []string, leaveOut func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(list), leaveOut)
}

// carry spends what was presented with the token that is issued for it, and gives
// the refresh token that comes next if the decision says that one does.
func (e *Endpoint) carry(c *carried, in policies.Input, d policies.Decision, out *issuance, r *models.Record) {
	refreshed := c.Refresh != nil
	if !c.again {
		r.Spent = &models.Spent{Refresh: refreshed, Hash: models.HashCode(c.raw), At: in.Now}
	}
	if !d.Refreshable {
		return
	}
	out.refresh = e.keys.Successor(c.raw)
	if c.again {
		return
	}
	r.Refresh = &models.RefreshToken{
		Hash: models.HashCode(out.refresh), GrantID: c.Grant.ID, ClientID: c.Grant.ClientID,
		CreatedAt: in.Now, ExpiresAt: min(in.Now+e.refreshes.Life, c.Grant.ExpiresAt),
	}
	if refreshed {
		r.Refresh.Parent = c.Refresh.Hash
	}
}

// replayed ends what a person granted once its client presents again what it has
// used: one of the two who had it may be a thief, and nobody can tell which. Of
// another client's request nothing follows but that it is refused.
func (e *Endpoint) replayed(ctx context.Context, call Call, in policies.Input, d policies.Decision, decisionID string) error {
	if in.Approval != nil { // whoever polls twice at once is no thief
		return nil
	}
	if in.Authorization == nil || in.Authorization.Client != in.Client.Value.ID ||
		!slices.ContainsFunc(d.Reasons, func(r policies.Reason) bool { return r.Code == "authorization_used" }) {
		return nil
	}
	by := models.By{ClientID: in.Client.Value.ID, DecisionID: decisionID, RequestID: call.RequestID, IP: call.IP, System: "replay"}
	return e.store.RevokeGrant(ctx, by, in.Authorization.ID)
}
