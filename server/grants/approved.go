package grants

import (
	"context"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// approved carries out what a person answered elsewhere: CIBA Core section 10.1 and
// RFC 8628 section 3.4. Whoever brings the secret is who asked.
type approved struct {
	grantType, action string
	secret            func(oauth.TokenRequest) string
}

var (
	ciba       = approved{oauth.CIBA, policies.IssueCIBA, func(r oauth.TokenRequest) string { return r.AuthReqID }}
	deviceCode = approved{oauth.DeviceCode, policies.IssueDevice, func(r oauth.TokenRequest) string { return r.DeviceCode }}
)

func (a approved) Type() string   { return a.grantType }
func (a approved) Action() string { return a.action }

func (a approved) Question(ctx context.Context, f *facts, req oauth.TokenRequest, in *policies.Input) error {
	secret := a.secret(req)
	row, found, err := f.byApproval(ctx, secret)
	if err != nil {
		return err
	}
	if row != nil {
		in.Approval = approval(row)
	}
	if found != nil {
		in.Authorization = authorization(found)
		in.Authorization.RedirectOK, in.Authorization.PKCE = true, "ok"
		in.Authorization.ExpiresAt, in.Authorization.Used = found.Code.ExpiresAt, found.Code.UsedAt != 0
		f.carried = &carried{Carried: *found, raw: secret}
	}
	return f.granted(ctx, req, in)
}

// approval is the fact of a request to somebody elsewhere.
func approval(a *models.Approval) *policies.Approval {
	return &policies.Approval{
		ID: a.ID, Kind: a.Kind, Client: a.ClientID, Subject: a.SubjectID, State: a.State, Delivery: a.Delivery, ACRValues: list(a.Request.ACRValues),
		CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt,
		GrantType: a.Request.GrantType, Parent: a.Request.Parent, Scopes: a.Granted.Scopes, Details: a.Granted.Details, Until: a.ApprovedUntil,
	}
}

// unanswered names what a client asks the answer to, "" if there is one, or there
// will be none.
func unanswered(in policies.Input) string {
	a := in.Approval
	if a == nil || in.Client == nil || a.Client != in.Client.Value.ID || a.State != models.ApprovalPending || a.ExpiresAt <= in.Now {
		return ""
	}
	return a.ID
}

// polledTooSoon is how long a client must wait from now on which asks more often
// than it may for what nobody has answered; 0 if it does not.
func (e *Endpoint) polledTooSoon(m *matter) time.Duration {
	if m.polled == "" {
		return 0
	}
	return e.limits.Poll(m.polled)
}
