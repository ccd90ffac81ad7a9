package grants

import (
	"bytes"
	"context"
	"encoding/json"

	strict "github.com/go-jose/go-jose/v4/json"

	"github.com/deputyauth/deputy/server/oauth"
)

// signedRequest reads what a client asks in a request object (CIBA Core section 7.1.1):
// a JWT that it signed with a key of its own, for this server, not long ago and not for
// long. A request without one is as it is.
func (e *Endpoint) signedRequest(ctx context.Context, f *facts, clientID string, req oauth.BackchannelRequest) (oauth.BackchannelRequest, error) {
	if req.Object == "" {
		return req, nil
	}
	live, _, err := f.view.Credentials(ctx, clientID)
	if err != nil {
		return req, err
	}
	reason := "no_key"
	keys, unread := e.unfolded(ctx, live, req.Object, f.now)
	for _, c := range keys {
		body, problem := signedBody(req.Object, c.PublicJWK, "oauth-authz-req+jwt")
		if problem != "" {
			reason = problem
			continue
		}
		return e.unwrapped(clientID, body, f.now, req)
	}
	if unread != nil {
		return req, unavailable(unread)
	}
	return req, badObject(reason)
}

func badObject(reason string) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, "The request object must be a JWT with iss, aud, exp, iat, nbf and jti, signed with a registered key of the client's, for this server alone, and live for ten minutes at most (%s).", reason).Named("request_object")
}

// unwrapped is the request in an object whose signature holds.
func (e *Endpoint) unwrapped(clientID string, body []byte, now int64, req oauth.BackchannelRequest) (oauth.BackchannelRequest, error) {
	var said assertion
	if err := strict.Unmarshal(body, &said); err != nil {
		return req, badObject("malformed")
	}
	said.Subject = clientID // it says nothing of one
	if reason := e.judge(&said, clientID, now); reason != "" {
		return req, badObject(reason)
	}
	if said.Before == 0 {
		return req, badObject("nbf is missing")
	}
	claims := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		return req, badObject("malformed")
	}
	form, problem := oauth.FormOf(claims)
	if problem != nil {
		return req, problem
	}
	if req, problem = req.Unsigned(form); problem != nil {
		return req, problem
	}
	return req, nil
}
