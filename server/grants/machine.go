package grants

import (
	"context"
	"fmt"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// A house can want a person's approval of what a machine asks for by itself. The machine
// asks for it at the backchannel endpoint, naming the grant type of the token request
// that was refused (approve), and brings the auth_req_id with the next one like it.

// byItself adds what a person is asked of a machine's own request: how they stand to the
// client, and, of an exchange, the token and everybody in it. A token that cannot be
// read is a fact, too.
func (f *facts) byItself(ctx context.Context, a *models.Approval, token string, in *policies.Input) error {
	var err error
	if in.Approval.Approver, err = f.view.Approver(ctx, a.ClientID, a.SubjectID); err != nil || a.Request.GrantType != oauth.TokenExchange {
		return err
	}
	var handed policies.Input // its subject is not who is asked
	in.Parent, in.Request.TokenProblem, err = f.presented(ctx, token, &handed)
	if err != nil {
		return err
	}
	in.Represented, in.Chain, in.Consent = handed.Subject, handed.Chain, handed.Consent
	if in.Parent != nil {
		a.Request.Parent, in.Approval.Parent = in.Parent.ID, in.Parent.ID
	}
	return nil
}

// brought adds the approval that a machine grant says it has. One that nobody knows is
// a fact, too.
func (f *facts) brought(ctx context.Context, req oauth.TokenRequest, in *policies.Input) error {
	if req.AuthReqID == "" {
		return nil
	}
	in.Request.Approval = true
	row, _, err := f.byApproval(ctx, req.AuthReqID)
	if err != nil || row == nil {
		return err
	}
	f.approval, in.Approval = row, approval(row)
	if row.Kind == models.ApprovalMachine {
		in.Approval.Approver, err = f.view.Approver(ctx, row.ClientID, row.SubjectID)
	}
	return err
}

// howToAsk tells the client of a machine grant how it gets a person's approval, and
// whose; "" of any other question.
func howToAsk(in policies.Input) string {
	grantType, whom, same := oauth.ClientCredentials, "", "scope, resource and authorization_details"
	switch {
	case in.Client == nil || in.Action != policies.IssueClientCredentials && in.Action != policies.IssueTokenExchange:
		return ""
	case in.Action == policies.IssueTokenExchange:
		grantType, same = oauth.TokenExchange, same+", subject_token and subject_token_type"
	}
	switch owner := in.Client.Value.Owner; {
	case in.Subject != nil && in.Subject.Value.Kind == "user":
		whom = in.Subject.Value.ID
	case owner != nil:
		whom = owner.ID
	default:
		return "Nobody answers for this client who could be asked; an administrator can say whom it may ask."
	}
	return fmt.Sprintf("Ask at /oauth2/bc-authorize with approve=%s and login_hint=%s, and with the same %s; then send this request again with the auth_req_id that you get there.", grantType, whom, same)
}
