package harness

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
)

// Reached are the ways by which everybody can be reached.
type Reached []string

// Reaches is grants.Word.
func (r Reached) Reaches(context.Context, string) ([]string, error) { return r, nil }

// Send is grants.Word. It goes nowhere.
func (r Reached) Send(context.Context, string, string, grants.Message) error { return nil }

// Asks lets a client ask a user who is elsewhere, by CIBA and from a device.
func (s *Server) Asks(c *Client, user *models.User) *Client {
	s.TB.Helper()
	_, err := s.Store.UpdateClient(context.Background(), by, c.ID, models.AnyVersion, func(m *models.Client) {
		m.GrantTypes = append(m.GrantTypes, models.GrantCIBA, models.GrantDevice)
	})
	require.NoError(s.TB, err)
	require.NoError(s.TB, s.Store.Acquaint(context.Background(), by, c.ID, user.ID))
	return c
}

// SignedIn is a user who has just signed in.
func (s *Server) SignedIn(user *models.User) grants.Person {
	s.TB.Helper()
	now := s.Clock.Now().Unix()
	_, session, err := s.Store.BeginSession(context.Background(), by, models.SignIn{Session: models.Session{UserID: user.ID, AuthTime: now, ACR: "1", AMR: []string{"pwd"}, ExpiresAt: now + Month}})
	require.NoError(s.TB, err)
	return grants.Person{UserID: user.ID, SessionID: session.ID, AuthTime: now, ACR: "1", AMR: []string{"pwd"}}
}

// AskForm asks a user for scopes at a service.
func AskForm(user *models.User, r *models.ResourceServer, scope string) url.Values {
	return url.Values{"login_hint": {user.Username}, "resource": {r.Identifier}, "scope": {scope}}
}

// PollForm asks whether somebody has answered.
func PollForm(authReqID string) url.Values {
	return url.Values{"grant_type": {models.GrantCIBA}, "auth_req_id": {authReqID}}
}

// AskUser has a client ask, which it may.
func (s *Server) AskUser(as *Client, form url.Values) (authReqID string, approval models.Approval) {
	s.TB.Helper()
	a := s.Form("/oauth2/bc-authorize", as, form)
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	return a.String("auth_req_id"), s.LastApproval()
}

// LastApproval is what was asked last.
func (s *Server) LastApproval() models.Approval {
	s.TB.Helper()
	rows, _, err := s.Store.Approvals(context.Background(), models.ApprovalFilter{}, models.Page{Limit: 200})
	require.NoError(s.TB, err)
	require.NotEmpty(s.TB, rows)
	return rows[len(rows)-1]
}

// Approve answers for somebody: the scopes they tick at a service, for an hour.
func (s *Server) Approve(who grants.Person, id string, r *models.ResourceServer, scopes ...string) *grants.ApprovalOutcome {
	s.TB.Helper()
	answer := &policies.Answer{Scopes: []policies.Grants{}, Until: s.Clock.Now().Unix() + 3600}
	for _, scope := range scopes {
		answer.Scopes = append(answer.Scopes, policies.Grants{Resource: r.ID, Scope: scope})
	}
	out, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, id, who, answer, false)
	require.NoError(s.TB, err)
	return out
}

// AskDevice has a device ask whoever types its code, which is who.
func (s *Server) AskDevice(as *Client, who grants.Person, r *models.ResourceServer, scope string) (deviceCode string) {
	s.TB.Helper()
	a := s.Form("/oauth2/device_authorization", as, url.Values{"resource": {r.Identifier}, "scope": {scope}})
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	_, err := s.Endpoint.Claim(context.Background(), grants.Call{}, a.String("user_code"), who)
	require.NoError(s.TB, err)
	return a.String("device_code")
}

// GrantOf is what began when somebody approved a request.
func (s *Server) GrantOf(approvalID string) Granted {
	s.TB.Helper()
	approval, err := s.Store.Approval(context.Background(), approvalID)
	require.NoError(s.TB, err)
	g := Granted{Consents: map[string]string{}}
	g.Grant, err = s.Store.Grant(context.Background(), approval.GrantID)
	require.NoError(s.TB, err)
	rows, _, err := s.Store.Consents(context.Background(), models.ConsentFilter{SubjectID: approval.SubjectID}, models.Page{Limit: 200})
	require.NoError(s.TB, err)
	for _, c := range rows {
		if c.ApprovalID == approvalID {
			g.Consents[c.ResourceID] = c.ID
		}
	}
	return g
}

// ApproveAll answers for somebody: all that can be allowed, for an hour.
func (s *Server) ApproveAll(who grants.Person, id string) *grants.ApprovalOutcome {
	s.TB.Helper()
	shown, err := s.Endpoint.Approval(context.Background(), grants.Call{}, id, who)
	require.NoError(s.TB, err)
	require.NotNil(s.TB, shown.Asked, "%+v", shown.Refusal)
	answer := &policies.Answer{Scopes: []policies.Grants{}, Until: s.Clock.Now().Unix() + 3600}
	for _, o := range shown.Asked.Offers {
		answer.Scopes = append(answer.Scopes, policies.Grants{Resource: o.Resource, Scope: o.Scope})
	}
	for _, o := range shown.Asked.DetailOffers {
		answer.Details = append(answer.Details, policies.GrantedDetail{Resource: o.Resource, Index: o.Index})
	}
	out, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, id, who, answer, false)
	require.NoError(s.TB, err)
	return out
}
