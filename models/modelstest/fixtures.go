package modelstest

import (
	"encoding/json"
	"testing"

	"github.com/deputyauth/deputy/models"
)

// By is who makes the changes of a test.
func By() models.By { return models.By{System: "test"} }

// User makes a user.
func User(tb testing.TB, s *models.Store, username string) *models.User {
	tb.Helper()
	u := &models.User{Username: username, Name: "The user " + username, Email: username + "@example.com"}
	check(tb, s.CreateUser(tb.Context(), By(), u))
	return u
}

// Agent makes an agent with a secret.
func Agent(tb testing.TB, s *models.Store, name, ownerID string) (c *models.Client, secret string) {
	tb.Helper()
	c = &models.Client{Kind: models.KindAgent, Name: name, OwnerID: &ownerID, Purpose: "Testing", Sponsor: "Quality"}
	check(tb, s.CreateClient(tb.Context(), By(), c))
	_, secret = Secret(tb, s, c.ID)
	return c, secret
}

// Application makes an application without credentials.
func Application(tb testing.TB, s *models.Store, name string) *models.Client {
	tb.Helper()
	c := &models.Client{Kind: models.KindApplication, Name: name}
	check(tb, s.CreateClient(tb.Context(), By(), c))
	return c
}

// Secret gives a client a secret.
func Secret(tb testing.TB, s *models.Store, clientID string) (c *models.Credential, secret string) {
	tb.Helper()
	c = &models.Credential{ClientID: clientID, Kind: models.CredentialSecret, Name: "first"}
	secret, err := s.CreateCredential(tb.Context(), By(), c)
	check(tb, err)
	return c, secret
}

// Service makes a resource server, https://<name>.example, with scopes of low risk.
func Service(tb testing.TB, s *models.Store, name string, scopes ...string) *models.ResourceServer {
	tb.Helper()
	r := &models.ResourceServer{Identifier: "https://" + name + ".example", Name: name}
	check(tb, s.CreateResourceServer(tb.Context(), By(), r))
	for _, scope := range scopes {
		Scope(tb, s, r.ID, scope)
	}
	return r
}

// Scope makes a scope of low risk that leads to others.
func Scope(tb testing.TB, s *models.Store, resourceID, name string, downstream ...models.ScopeRef) *models.Scope {
	tb.Helper()
	sc := &models.Scope{ResourceID: resourceID, Name: name, Description: "May " + name, Downstream: downstream}
	_, err := s.PutScope(tb.Context(), By(), sc)
	check(tb, err)
	return sc
}

// Role makes a role of scopes at one resource server.
func Role(tb testing.TB, s *models.Store, name, resourceID string, scopes ...string) *models.Role {
	tb.Helper()
	r := &models.Role{Name: name}
	for _, scope := range scopes {
		r.Scopes = append(r.Scopes, models.ScopeRef{ResourceID: resourceID, Name: scope})
	}
	check(tb, s.CreateRole(tb.Context(), By(), r))
	return r
}

// Assign gives a role to a user, client or group.
func Assign(tb testing.TB, s *models.Store, roleID, principalID string) *models.Assignment {
	tb.Helper()
	a := &models.Assignment{RoleID: roleID, PrincipalID: principalID}
	check(tb, s.CreateAssignment(tb.Context(), By(), a))
	return a
}

// Group makes a group.
func Group(tb testing.TB, s *models.Store, name string, members ...string) *models.Group {
	tb.Helper()
	g := &models.Group{Name: name}
	check(tb, s.CreateGroup(tb.Context(), By(), g))
	for _, id := range members {
		check(tb, s.AddGroupMember(tb.Context(), By(), g.ID, id))
	}
	return g
}

// World is an agent that may do something somewhere.
type World struct {
	Owner      *models.User
	Agent      *models.Client
	Secret     string
	Service    *models.ResourceServer // with the scopes read and write
	Role       *models.Role           // read and write
	Assignment *models.Assignment     // of the role to the agent
}

// NewWorld makes a World of which every name begins with prefix.
func NewWorld(tb testing.TB, s *models.Store, prefix string) World {
	tb.Helper()
	w := World{Owner: User(tb, s, prefix+"-owner"), Service: Service(tb, s, prefix+"-service", "read", "write")}
	w.Agent, w.Secret = Agent(tb, s, prefix+"-agent", w.Owner.ID)
	w.Role = Role(tb, s, prefix+"-role", w.Service.ID, "read", "write")
	w.Assignment = Assign(tb, s, w.Role.ID, w.Agent.ID)
	return w
}

// Token is a token of the world's agent for itself that may read. It is not
// recorded yet.
func (w World) Token(s *models.Store) models.Token {
	now := s.Now()
	id := models.NewID(models.PrefixToken)
	return models.Token{
		ID: id, GrantID: w.Agent.SelfGrantID, Txn: id, ClientID: w.Agent.ID, SubjectID: w.Agent.ID, ResourceID: w.Service.ID,
		Scopes: []string{"read"}, IssuedAt: now, ExpiresAt: now + 600,
	}
}

// Exchange is a token that client gets for parent. It is not recorded yet.
func Exchange(parent models.Token, client string) models.Token {
	t := parent
	t.ID, t.ParentID, t.ClientID = models.NewID(models.PrefixToken), parent.ID, client
	t.Chain = append([]string{client}, parent.Chain...)
	return t
}

// Issue records a token and the decision that grants it.
func Issue(tb testing.TB, s *models.Store, t models.Token) models.Token {
	tb.Helper()
	r := Granted(t)
	check(tb, s.Append(tb.Context(), r))
	return *r.Token
}

// Granted is the record of a decision that grants t.
func Granted(t models.Token) *models.Record {
	detail := map[string]any{
		"input":    map[string]any{"now": t.IssuedAt},
		"decision": map[string]any{"allow": true, "scopes": t.Scopes, "chain": t.Chain, "ttl": t.ExpiresAt - t.IssuedAt},
	}
	r := decision(models.OutcomeGranted, t.IssuedAt, detail)
	t.DecisionID = r.Entry.ID
	r.Token = &t
	r.Entry.ClientID, r.Entry.SubjectID, r.Entry.ResourceID = t.ClientID, t.SubjectID, t.ResourceID
	r.Entry.TokenID, r.Entry.ParentID, r.Entry.Txn, r.Entry.GrantID = t.ID, t.ParentID, t.Txn, t.GrantID
	return r
}

// Refused is the record of a decision that grants nothing.
func Refused(s *models.Store, clientID string) *models.Record {
	reason := map[string]any{"code": "scope_not_held", "party": "client", "id": clientID}
	r := decision(models.OutcomeRefused, s.Now(), map[string]any{"decision": map[string]any{"allow": false, "reasons": []any{reason}}})
	r.Entry.ClientID, r.Entry.SubjectID = clientID, clientID
	return r
}

func decision(outcome string, at int64, detail map[string]any) *models.Record {
	body, err := json.Marshal(detail)
	if err != nil {
		panic(err) // maps of plain values
	}
	return &models.Record{Entry: models.Entry{
		ID: models.NewID(models.PrefixDecision), At: at * 1000, Kind: models.KindDecision, Action: "issue:access_token:client_credentials",
		Outcome: outcome, Policy: "revision-1", Detail: string(body),
	}}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Ask has a client ask a user something that waits for ten minutes; "" is whoever
// types the code of a device.
func Ask(tb testing.TB, s *models.Store, clientID, userID string) *models.Approval {
	tb.Helper()
	a := &models.Approval{Kind: models.ApprovalCIBA, ClientID: clientID, SubjectID: userID, Delivery: models.DeliveryPoll, ExpiresAt: s.Now() + 600,
		Request: models.ApprovalRequest{Scopes: []string{"work:do"}, Resources: []string{}, Message: "Invoice 17", ACRValues: []string{}}}
	if userID == "" {
		a.Kind = models.ApprovalDevice
	}
	_, err := s.Ask(tb.Context(), By(), a, models.Telling{})
	check(tb, err)
	return a
}

// Payment is a type of authorization details, held through a scope.
func Payment(resourceID, scope string) *models.DetailType {
	return &models.DetailType{
		ResourceID: resourceID, Name: "payment", Scope: scope, Risk: models.RiskLow,
		Schema: `{"type": "object", "additionalProperties": false, "required": ["amount", "currency", "payee"], "properties": {
			"amount": {"type": "string", "title": "Amount", "pattern": "^[0-9]{1,9}(\\.[0-9]{2})?$"}, "currency": {"type": "string", "enum": ["EUR", "USD"]},
			"payee": {"type": "string", "maxLength": 70}, "purposes": {"type": "array", "items": {"type": "string"}, "maxItems": 8}}}`,
		Template: map[string]string{"en": "Pay {amount} {currency} to {payee}", "de": "{amount} {currency} an {payee} zahlen"},
		Narrow:   map[string]string{"amount": "at_most", "currency": "same", "purposes": "subset"},
	}
}

// DetailType registers one.
func DetailType(tb testing.TB, s *models.Store, d *models.DetailType) *models.DetailType {
	tb.Helper()
	_, err := s.PutDetailType(tb.Context(), By(), d)
	check(tb, err)
	return d
}
