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
	err := e.aboutToken(ctx, call, policies.Introspect, q, func(_ policies.Input, d policies.Decision, _ *models.Record) error {
		claims, err := e.keys.Verify(ctx, q.Token)
		if err != nil {
			return err
		}
		answer = oauth.Introspection{
			Active: true, Issuer: claims.Issuer, Subject: claims.Subject, SubProfile: claims.SubProfile, Audience: claims.Audience,
			ClientID: claims.ClientID, ClientProfile: claims.ClientProfile, Scope: strings.Join(d.Scopes, " "), TokenType: "Bearer",
			ID: claims.ID, Txn: claims.Txn, GrantID: claims.GrantID, IssuedAt: claims.IssuedAt, Expires: claims.Expires, Act: claims.Act,
			AuthTime: claims.AuthTime, ACR: claims.ACR, AMR: claims.AMR, Details: d.Details,
		}
		return nil
	})
	if isRefusal(err) {
		return oauth.Introspection{}, nil
	}
	return answer, err
}

// Revoke is RFC 7009. An access token ends with what was exchanged from it; with a
// code or refresh token ends all that the person granted with it. A token that is
// unknown or somebody else's is answered like one that was revoked.
func (e *Endpoint) Revoke(ctx context.Context, call Call, q oauth.TokenQuery) error {
	var about policies.Input
	var by models.By
	err := e.aboutToken(ctx, call, policies.Revoke, q, func(in policies.Input, _ policies.Decision, r *models.Record) error {
		about = in
		by = models.By{ClientID: r.Entry.ClientID, DecisionID: r.Entry.ID, RequestID: call.RequestID, IP: call.IP}
		return nil
	})
	switch {
	case isRefusal(err):
		return nil
	case err != nil:
		return err
	}
	return e.end(ctx, by, about)
}

// end carries out what was decided of what was handed in: it opens nothing any more.
func (e *Endpoint) end(ctx context.Context, by models.By, about policies.Input) (err error) {
	if about.Authorization != nil {
		err = e.store.RevokeGrant(ctx, by, about.Authorization.ID)
	} else {
		err = e.store.RevokeToken(ctx, by, about.Token.ID)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// aboutToken asks policy about a token that an authenticated client presents. A
// public client proves nothing, so it may give up what it holds, and ask nothing.
func (e *Endpoint) aboutToken(ctx context.Context, call Call, action string, q oauth.TokenQuery,
	carryOut func(policies.Input, policies.Decision, *models.Record) error,
) error {
	return e.settle(ctx, call, action, q.Client.ID, func(f *facts) (*matter, error) {
		if q.Client.Method == oauth.None && action == policies.Introspect { // RFC 7662 section 2.1
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
		if err := f.handedIn(ctx, q.Token, &in); err != nil {
			return nil, err
		}
		m := &matter{in: in, once: proof.once, credential: proof.credential.ID, carryOut: func(d policies.Decision, r *models.Record) error {
			return carryOut(in, d, r)
		}}
		if action != policies.Introspect { // which services do for every request of theirs
			m.payer, m.stranger = payer(proof, in)
		}
		return m, nil
	})
}

// handedIn adds what a client says a token is. Its form tells which kind it can be;
// token_type_hint need not be believed for that. A code or refresh token is nothing
// that could be looked into: only who gives it up brings one here.
func (f *facts) handedIn(ctx context.Context, raw string, in *policies.Input) (err error) {
	find, ends := f.view.ByCode, in.Action != policies.Introspect
	switch {
	case ends && strings.HasPrefix(raw, models.RefreshPrefix):
		find = f.view.ByRefreshToken
	case ends && strings.HasPrefix(raw, models.CodePrefix):
	default:
		if in.Token, in.Request.TokenProblem, err = f.presented(ctx, raw, in); err != nil {
			return err
		}
		return f.typesOf(ctx, in)
	}
	found, err := find(ctx, raw)
	if found == nil {
		in.Request.TokenProblem = string(tokens.Unknown)
		return err
	}
	in.Authorization = authorization(found)
	return nil
}
