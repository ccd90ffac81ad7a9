package api

import (
	"context"
	"net/url"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/oauth"
)

// Explainer tells why a request is answered as it is. It changes nothing.
type Explainer interface {
	Explain(ctx context.Context, h grants.Hypothesis) (*grants.Explanation, error)
	ExplainEntry(ctx context.Context, id string) (*grants.Explanation, error)
}

func (s *server) ExplainRequest(ctx context.Context, r ExplainRequestRequestObject) (ExplainRequestResponseObject, error) {
	req, err := tokenRequest(r.Body)
	if err != nil {
		return nil, err
	}
	x, err := s.Explain.Explain(ctx, grants.Hypothesis{
		ClientID: r.Body.ClientID, Request: req, Credential: r.Body.CredentialID, Method: string(r.Body.ClientAuthMethod), At: r.Body.At.unix(),
	})
	if err != nil {
		return nil, err
	}
	out := explanationOf(x)
	out.Assumed = Assumption{CredentialID: x.Input.Credential.ID, ClientAuthMethod: x.Input.Credential.Method, At: at(x.Input.Now)}
	out.Credentials, out.Epoch = each(x.Credentials, credentialOf), x.Epoch
	return ExplainRequest200JSONResponse(out), nil
}

func (s *server) ExplainAuditEntry(ctx context.Context, r ExplainAuditEntryRequestObject) (ExplainAuditEntryResponseObject, error) {
	x, err := s.Explain.ExplainEntry(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	out := explanationOf(x)
	out.Recorded = RecordedDecision{DecisionID: x.Entry.ID, Action: x.Entry.Action, At: atMilli(x.Entry.At)}
	return ExplainAuditEntry200JSONResponse(out), nil
}

// tokenRequest writes the request down as a client would send it, so that it is
// read by the one reader there is.
func tokenRequest(in *ExplainInput) (oauth.TokenRequest, error) {
	form := url.Values{"grant_type": {string(in.GrantType)}, "resource": in.Resources}
	for _, s := range in.Scopes {
		form.Set("scope", form.Get("scope")+" "+s)
	}
	for name, token := range map[string]string{"subject_token": in.SubjectToken, "actor_token": in.ActorToken} {
		if token != "" {
			form.Set(name, token)
			form.Set(name+"_type", oauth.TypeAccessToken)
		}
	}
	f, problem := oauth.ParseForm(form.Encode())
	if problem != nil {
		return oauth.TokenRequest{}, fault("invalid_value", "", "%s", problem.Description)
	}
	req, problem := oauth.TokenRequestOf(f)
	if problem != nil {
		return req, fault("invalid_value", blamed(in, problem.Reason), "%s", problem.Description)
	}
	return req, nil
}

// blamed is the member of the body that a reader of token requests objects to.
func blamed(in *ExplainInput, reason string) string {
	switch {
	case reason == "subject_token_missing", reason == "misplaced_parameter" && in.SubjectToken != "":
		return "subject_token"
	case reason == "misplaced_parameter":
		return "actor_token"
	}
	return ""
}

func explanationOf(x *grants.Explanation) Explanation {
	out := Explanation{
		WouldBeGranted: x.Granted, Missing: each(x.Missing, lackOf), Names: map[string]string{},
		Policy: PolicyRevision{Floor: x.Decision.Revision.Floor, House: x.Decision.Revision.House},
	}
	if x.Input.Action != "" { // policy was asked
		out.Decision, out.Names = explainedDecision(x.Decision), x.Names
	}
	if x.Told != nil {
		out.Error, out.ErrorDescription = x.Told.Code, x.Told.Description
	}
	return out
}

func explainedDecision(d policies.Decision) ExplainedDecision {
	out := ExplainedDecision{
		Scopes: each(d.Scopes, same), ResourceServerID: d.Resource, Audience: d.Audience, TTL: d.TTL, SubjectID: d.Subject,
		Chain: each(d.Chain, same), Claims: d.Claims, Removed: map[string][]string{},
	}
	for _, r := range d.Removed {
		out.Removed[r.Scope] = append(out.Removed[r.Scope], r.Code)
	}
	return out
}

func lackOf(l grants.Lack) Lack {
	return Lack{
		Party: l.Party, PartyID: l.PartyID, PartyName: l.PartyName, Lacks: l.Lacks, Scope: l.Scope, Value: l.Value,
		Reason: l.Reason, Layer: LackLayer(l.Layer), Rule: l.Rule, RuleDescription: l.Description,
		Message: l.Message, Remedy: l.Remedy, Who: each(l.Who, changerOf), Follows: l.Follows,
	}
}

func changerOf(c grants.Changer) Changer {
	return Changer{Kind: ChangerKind(c.Kind), Right: c.Right, ID: c.ID, Name: c.Name}
}
