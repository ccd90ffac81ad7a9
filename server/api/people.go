package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

// linkLife is how long a one-time link works unless told, in seconds.
const linkLife = 24 * 60 * 60

func sessionOf(r models.Session) Session {
	return Session{
		ID: r.ID, UserID: r.UserID, Acr: r.ACR, Amr: each(r.AMR, same), IP: r.IP, UserAgent: r.UserAgent, SignedInAt: at(r.CreatedAt),
		LastSeenAt: at(r.LastSeenAt), ExpiresAt: at(r.ExpiresAt), RevokedAt: at(r.RevokedAt),
	}
}

func (s *server) ListSessions(ctx context.Context, r ListSessionsRequestObject) (ListSessionsResponseObject, error) {
	if _, err := s.Store.User(ctx, r.ID); err != nil {
		return nil, err
	}
	rows, next, err := s.Store.Sessions(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListSessions200JSONResponse{Items: each(rows, sessionOf), NextCursor: cursor(next)}, nil
}

func (s *server) RevokeSession(ctx context.Context, r RevokeSessionRequestObject) (RevokeSessionResponseObject, error) {
	return RevokeSession204Response{}, s.Store.RevokeSession(ctx, by(ctx), r.ID, r.SessionID)
}

// CreateUserLink is the only answer that holds a link.
func (s *server) CreateUserLink(ctx context.Context, r CreateUserLinkRequestObject) (CreateUserLinkResponseObject, error) {
	life := r.Body.Lifetime
	if life == 0 {
		life = linkLife
	}
	l := &models.Link{Purpose: r.Body.Purpose, UserID: &r.ID, ExpiresAt: s.Store.Now() + life}
	who, err := s.conferring(ctx, allOf(r.ID)) // who has the link becomes the user
	if err != nil {
		return nil, err
	}
	token, err := s.Store.CreateLink(ctx, who, l)
	if err != nil {
		return nil, err
	}
	return CreateUserLink201JSONResponse{ID: l.ID, Purpose: l.Purpose, URL: s.Issuer + "/" + l.Purpose + "/" + token, ExpiresAt: at(l.ExpiresAt)}, nil
}

func consentOf(c models.Consent) Consent {
	return Consent{
		ID: c.ID, ClientID: c.ClientID, SubjectID: c.SubjectID, ResourceServerID: c.ResourceID, Scopes: each(c.Scopes, same),
		PreapprovedBy: c.PreapprovedBy, ApprovalID: c.ApprovalID, AuthorizationDetails: c.Details, CreatedAt: at(c.CreatedAt), UpdatedAt: at(c.UpdatedAt), ExpiresAt: at(c.ExpiresAt), RevokedAt: at(c.RevokedAt),
	}
}

func (s *server) ListConsents(ctx context.Context, r ListConsentsRequestObject) (ListConsentsResponseObject, error) {
	p := r.Params
	f := models.ConsentFilter{ClientID: p.ClientID, SubjectID: p.SubjectID, ResourceID: p.ResourceServerID, Live: p.Live}
	rows, next, err := s.Store.Consents(ctx, f, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListConsents200JSONResponse{Items: each(rows, consentOf), NextCursor: cursor(next)}, nil
}

func (s *server) GetConsent(ctx context.Context, r GetConsentRequestObject) (GetConsentResponseObject, error) {
	c, err := s.Store.Consent(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	out := consentOf(*c)
	if out.OpenTokens, err = s.Store.OpenTokens(ctx, c.SubjectID, c.ClientID, c.ID); err != nil {
		return nil, err
	}
	return GetConsent200JSONResponse(out), nil
}

func (s *server) PreapproveConsent(ctx context.Context, r PreapproveConsentRequestObject) (PreapproveConsentResponseObject, error) {
	c := &models.Consent{
		ClientID: r.Body.ClientID, SubjectID: r.Body.SubjectID, ResourceID: r.Body.ResourceServerID, Scopes: r.Body.Scopes, ExpiresAt: r.Body.ExpiresAt.unix(),
	}
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		refs := each(c.Scopes, func(name string) models.ScopeRef { return models.ScopeRef{ResourceID: c.ResourceID, Name: name} })
		return added(ctx, v, nil, refs)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Store.Preapprove(ctx, who, c); err != nil {
		return nil, err
	}
	return PreapproveConsent201JSONResponse(consentOf(*c)), nil
}

func (s *server) RevokeConsent(ctx context.Context, r RevokeConsentRequestObject) (RevokeConsentResponseObject, error) {
	return RevokeConsent204Response{}, s.Store.RevokeConsent(ctx, by(ctx), r.ID, r.Params.Scope)
}
