package grants

import (
	"context"
	"errors"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// hinted reads an ID token that comes back as a hint. It may have expired; but it is
// ours, and was issued to the client that sends it, if that is known.
func (e *Endpoint) hinted(ctx context.Context, raw, clientID string) (*tokens.IDClaims, error) {
	claims, err := e.keys.VerifyID(ctx, raw)
	var problem tokens.Problem
	switch {
	case errors.As(err, &problem):
		return nil, oauth.Errorf(oauth.InvalidRequest, "id_token_hint is no ID token of this server (%s).", string(problem)).Named("hint_unusable")
	case err != nil:
		return nil, unavailable(err)
	case clientID != "" && clientID != claims.Audience:
		return nil, oauth.Errorf(oauth.InvalidRequest, "client_id is not the one that id_token_hint was issued to.").Named("client_mismatch")
	}
	return claims, nil
}

// means notes whom a client means by its id_token_hint. Their name is filled in where
// they sign in only if that ID token told it: a hint shows nobody more than it holds.
func (e *Endpoint) means(ctx context.Context, req oauth.AuthorizationRequest, v *models.Visit) error {
	if req.Hint == "" || v.ReturnTo == "" { // a request that is answered nowhere is refused anyway
		return nil
	}
	claims, err := e.hinted(ctx, req.Hint, v.ClientID)
	if err != nil {
		return err
	}
	v.Request.Subject = claims.Subject
	if name, told := claims.About["preferred_username"].(string); told && v.Request.LoginHint == "" {
		v.Request.LoginHint = name
	}
	return nil
}
