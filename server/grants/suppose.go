package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// Visit is a request to a user that nobody has sent: an authorization request, or, with
// the grant type of CIBA, one to somebody who is elsewhere.
type Visit struct {
	UserID  string // who would be asked; at a page, they are taken to have just signed in
	Request oauth.AuthorizationRequest
}

// supposed is the question of a request that nobody has sent.
func (e *Endpoint) supposed(ctx context.Context, f *facts, h Hypothesis, who *proof) (policies.Input, error) {
	switch {
	case h.Visit != nil && h.Request.GrantType == oauth.CIBA:
		return e.supposedAsking(ctx, f, h, who)
	case h.Visit != nil:
		return e.supposedVisit(ctx, f, h)
	}
	in, err := question(ctx, f, e.grants[h.Request.GrantType], h.Request, who)
	if in.Authorization != nil { // what only its client could show is taken to be in order
		in.Authorization.RedirectOK, in.Authorization.PKCE = true, oauth.PKCEFound
	}
	return in, err
}

// supposedVisit is what a client would ask policy about a user who has just signed in.
func (e *Endpoint) supposedVisit(ctx context.Context, f *facts, h Hypothesis) (policies.Input, error) {
	in := policies.Input{Action: policies.Authorize, Now: f.now}
	client, err := e.store.Client(ctx, h.ClientID)
	if err != nil {
		return in, err
	}
	req := h.Visit.Request
	if req.RedirectURI == "" && len(client.RedirectURIs) > 0 {
		req.RedirectURI = client.RedirectURIs[0]
	}
	v := &models.Visit{ClientID: h.ClientID, BeganAt: f.now, Request: models.VisitRequest{
		RedirectURI: req.RedirectURI, Scopes: list(req.Scopes), Resources: list(req.Resources), PKCE: oauth.PKCEFound, Prompt: []string{}, ACRValues: []string{},
	}}
	err = e.visit(ctx, f, v, &Person{UserID: h.Visit.UserID, AuthTime: f.now, ACR: "1", AMR: []string{"pwd"}}, &in)
	if err == nil && (in.Subject == nil || in.Subject.Value.Kind != "user") {
		err = &models.Invalid{Field: "user_id", Reason: "names no user"}
	}
	return in, err
}

// supposedAsking is what a client would ask policy about a user who is elsewhere, by
// whichever hint it names them.
func (e *Endpoint) supposedAsking(ctx context.Context, f *facts, h Hypothesis, who *proof) (policies.Input, error) {
	in := policies.Input{Action: policies.AskApproval, Now: f.now, Credential: who.credential}
	var err error
	if in.Client, err = f.view.Principal(ctx, h.ClientID); err != nil {
		return in, err
	}
	if _, err := e.between(ctx, f, h.ClientID, h.Visit.UserID, &in); err != nil {
		return in, err
	}
	if in.Subject == nil || in.Subject.Value.Kind != "user" {
		return in, &models.Invalid{Field: "user_id", Reason: "names no user"}
	}
	in.Acquaintance.UserCode = "ok" // what the user has told the client, if anything, it sends
	req := h.Visit.Request
	return in, f.toApprove(ctx, &models.Approval{Kind: models.ApprovalCIBA, ClientID: h.ClientID, SubjectID: h.Visit.UserID, Request: models.ApprovalRequest{
		Scopes: list(req.Scopes), Resources: list(req.Resources), ACRValues: []string{},
	}}, &in)
}

// byCode, byApproval and byRefreshToken find what carries what a person granted. Where a request
// is only supposed, the grant or approval is named instead: a secret is for its client alone.
func (f *facts) byCode(ctx context.Context, raw string) (*models.Carried, error) {
	if f.supposed && models.HasPrefix(raw, models.PrefixGrant) {
		return f.view.CodeOf(ctx, raw)
	}
	return f.view.ByCode(ctx, raw)
}

// byApproval finds what was asked of a person elsewhere, and what they granted.
func (f *facts) byApproval(ctx context.Context, raw string) (*models.Approval, *models.Carried, error) {
	if f.supposed && models.HasPrefix(raw, models.PrefixApproval) {
		return f.view.Approval(ctx, raw)
	}
	return f.view.ByApproval(ctx, raw)
}

func (f *facts) byRefreshToken(ctx context.Context, raw string) (*models.Carried, error) {
	if f.supposed && models.HasPrefix(raw, models.PrefixGrant) {
		return f.view.RefreshTokenOf(ctx, raw)
	}
	return f.view.ByRefreshToken(ctx, raw)
}
