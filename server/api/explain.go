package api

import (
	"context"
	"net/url"
	"strings"

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
	h := grants.Hypothesis{
		ClientID: r.Body.ClientID, Credential: r.Body.CredentialID, Method: string(r.Body.ClientAuthMethod), At: r.Body.At.unix(),
	}
	var err error
	if r.Body.UserID == "" {
		h.Request, err = tokenRequest(r.Body)
	} else {
		h.Request.GrantType = string(r.Body.GrantType)
		h.Visit, err = visit(r.Body)
	}
	if err != nil {
		return nil, err
	}
	x, err := s.Explain.Explain(ctx, h)
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

// visit writes the authorization request down, likewise.
func visit(in *ExplainInput) (*grants.Visit, error) {
	switch {
	case in.GrantType != oauth.AuthorizationCode && in.GrantType != oauth.CIBA:
		return nil, fault("invalid_value", "user_id", "Users are asked for authorization_code and CIBA only.")
	case in.GrantID != "":
		return nil, fault("invalid_value", "grant_id", "What a user granted is not asked for again.")
	case in.ApprovalID != "":
		return nil, fault("invalid_value", "approval_id", "What a user was asked is not asked again.")
	case in.GrantType == oauth.CIBA && in.RedirectURI != "":
		return nil, fault("invalid_value", "redirect_uri", "Nobody is sent anywhere who is elsewhere.")
	case in.SubjectToken != "" || in.ActorToken != "":
		return nil, fault("invalid_value", "subject_token", "A user is asked with no token.")
	}
	query := url.Values{"client_id": {in.ClientID}, "response_type": {"code"}, "redirect_uri": {in.RedirectURI}, "resource": in.Resources, "scope": {strings.Join(in.Scopes, " ")}}
	req, problem := oauth.ParseAuthorizationQuery(query.Encode())
	if problem != nil {
		return nil, fault("invalid_value", "", "%s", problem.Description)
	}
	return &grants.Visit{UserID: in.UserID, Request: req}, nil
}

// carriers are the parameters in which what a user granted is named, by grant type;
// asked those in which what they were asked is.
var (
	carriers = map[ExplainInputGrantType]string{oauth.AuthorizationCode: "code", oauth.RefreshToken: "refresh_token"}
	asked    = map[ExplainInputGrantType]string{
		oauth.CIBA: "auth_req_id", oauth.DeviceCode: "device_code", oauth.ClientCredentials: "auth_req_id", oauth.TokenExchange: "auth_req_id",
	}
)

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
	if in.RedirectURI != "" {
		return oauth.TokenRequest{}, fault("invalid_value", "redirect_uri", "Only a request with user_id sends anybody anywhere.")
	}
	for field, carried := range map[string]struct {
		id string
		by map[ExplainInputGrantType]string
	}{"grant_id": {in.GrantID, carriers}, "approval_id": {in.ApprovalID, asked}} {
		if carried.id == "" {
			continue
		}
		name, ok := carried.by[in.GrantType]
		if !ok {
			return oauth.TokenRequest{}, fault("invalid_value", field, "This grant_type brings nothing that is named so.")
		}
		form.Set(name, carried.id)
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
	case reason == "code_missing", reason == "refresh_token_missing":
		return "grant_id"
	case reason == "auth_req_id_missing", reason == "device_code_missing":
		return "approval_id"
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
		out.Decision.Offers = each(x.Offers, offerOf)
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
		Refreshable: d.Refreshable, Ask: ExplainedDecisionAsk(d.Ask), Until: at(d.Until),
	}
	for _, r := range d.Removed {
		out.Removed[r.Scope] = append(out.Removed[r.Scope], r.Code)
	}
	return out
}

func offerOf(o grants.Offered) Offer {
	return Offer{ResourceServerID: o.Resource, Scope: o.Scope, Risk: o.Risk, State: OfferState(o.State), Missing: each(o.Missing, lackOf)}
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
