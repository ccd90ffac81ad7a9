package grants

import (
	"context"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
	"github.com/deputyauth/deputy/server/tokens"
)

// Introspect is RFC 7662. Whatever keeps the caller from seeing the token as
// active, it is told no more than that it is not.
func (e *Endpoint) Introspect(ctx context.Context, call Call, q oauth.TokenQuery) (oauth.Introspection, error) {
	var answer oauth.Introspection
	err := e.aboutToken(ctx, call, policies.Introspect, q, func(d policies.Decision, claims *tokens.Claims, _ *models.Record) error {
		answer = oauth.Introspection{
			Active: true, Issuer: claims.Issuer, Subject: claims.Subject, SubProfile: claims.SubProfile, Audience: claims.Audience,
			ClientID: claims.ClientID, ClientProfile: claims.ClientProfile, Scope: strings.Join(d.Scopes, " "), TokenType: "Bearer",
			ID: claims.ID, Txn: claims.Txn, GrantID: claims.GrantID, IssuedAt: claims.IssuedAt, Expires: claims.Expires, Act: claims.Act,
		}
		return nil
	})
	if isRefusal(err) {
		return oauth.Introspection{}, nil
	}
	return answer, err
}

// Revoke is RFC 7009. A token that is unknown or somebody else's is answered
// like one that was revoked.
func (e *Endpoint) Revoke(ctx context.Context, call Call, q oauth.TokenQuery) error {
	var id string
	var by models.By
	err := e.aboutToken(ctx, call, policies.Revoke, q, func(_ policies.Decision, claims *tokens.Claims, r *models.Record) error {
		id = claims.ID
		by = models.By{ClientID: r.Entry.ClientID, DecisionID: r.Entry.ID, RequestID: call.RequestID, IP: call.IP}
		return nil
	})
	if isRefusal(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := e.store.RevokeToken(ctx, by, id); err != nil {
		return unavailable(err)
	}
	return nil
}

// aboutToken asks policy about a token that an authenticated client presents.
func (e *Endpoint) aboutToken(ctx context.Context, call Call, action string, q oauth.TokenQuery,
	carryOut func(policies.Decision, *tokens.Claims, *models.Record) error,
) error {
	return e.settle(ctx, call, action, q.Client.ID, func(f *facts) (*matter, error) {
		if q.Client.Method == oauth.None { // who asks about tokens must prove who they are (RFC 7662 section 2.1)
			return nil, oauth.BadClient("no_credentials")
		}
		proof, err := e.authenticate(ctx, f, call, q.Client)
		if err != nil {
			return nil, err
		}
		span := signals.Start(ctx, "facts")
		defer span.End()
		in := policies.Input{
			Action: action, Now: f.now, Credential: proof.credential,
			Request: policies.Request{Resources: []string{}, Scopes: []string{}},
		}
		if in.Client, err = f.view.Principal(ctx, proof.clientID); err != nil {
			return nil, err
		}
		if in.Token, in.Request.TokenProblem, err = f.presented(ctx, q.Token, &in); err != nil {
			return nil, err
		}
		m := &matter{in: in, once: proof.once, credential: proof.credential.ID, carryOut: func(d policies.Decision, r *models.Record) error {
			claims, err := f.keys.Verify(ctx, q.Token)
			if err != nil {
				return err
			}
			return carryOut(d, claims, r)
		}}
		if action != policies.Introspect { // which services do for every request of theirs
			m.payer = proof.clientID
		}
		return m, nil
	})
}
