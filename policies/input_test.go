package policies

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// full is an input in which nothing is missing.
func full(t *testing.T) Input {
	t.Helper()
	reach := map[string]map[string][]string{"rsv_1": {"read": {"rol_1"}}}
	payments := []Detail{Detail(`{"amount":"50","type":"payment"}`)}
	principal, err := NewFact(Principal{
		ID: "agt_1", Kind: "agent", Name: "One", Status: "active", ExpiresAt: Never,
		Labels: map[string]string{"team": "blue"}, Scopes: reach, MaxTTL: 600, Public: true,
		Owner:      &Owner{ID: "usr_1", Status: "active", ExpiresAt: Never},
		GrantTypes: []string{"client_credentials"}, Defaults: map[string][]string{"rsv_1": {"read"}},
	})
	require.NoError(t, err)
	resource, err := NewFact(Resource{
		ID: "rsv_1", Identifier: "https://one", Name: "One", Status: "active", Operator: "agt_1",
		TokenTTL: 300, MaxDepth: 4, Scopes: map[string]Scope{"read": {Risk: "low"}},
		Types: map[string]DetailType{"payment": {Scope: "read", Risk: "low", Narrow: map[string]string{"amount": "at_most"}}},
	})
	require.NoError(t, err)
	token := &Token{
		ID: "tok_1", Client: "agt_1", Subject: "usr_1", Chain: []string{"agt_1"}, Expires: 2000, IssuedAt: 900, Txn: "tok_1",
		Audience: Audience{ID: "rsv_1", Operator: "agt_1", Status: "active"}, Own: []string{"read"}, Scopes: reach, Details: payments,
		Grant: Grant{ID: "gnt_1", ExpiresAt: 3000},
	}
	return Input{
		Action: IssueTokenExchange, Now: 1000,
		Request: Request{
			GrantType: "urn:ietf:params:oauth:grant-type:token-exchange", Resources: []string{"https://one"}, Scopes: []string{"read"},
			Approval: true, RequestedTTL: 60, TokenProblem: "none", Details: payments, Renewal: &Renewal{Overlap: 3600, Life: 86400},
			Asked:      &Asked{Type: "user", Subject: "usr_1", Chain: []string{"agt_1"}, ResourceType: "resource_server"},
			Visit:      &Visit{RedirectOK: true, PKCE: "ok", Prompt: []string{"login"}, MaxAge: new(int64), ACRValues: []string{"1"}, Began: 900, Subject: "usr_1"},
			Answer:     &Answer{Scopes: []Grants{{Resource: "rsv_1", Scope: "read"}}, Details: []GrantedDetail{{Resource: "rsv_1"}}, Until: 2000},
			ActorToken: &ActorToken{Subject: "agt_1", Client: "agt_1", Chain: []string{}, Expires: 2000, Problem: "none", Audience: "https://one"},
		},
		Client: principal, Subject: principal, Chain: []*Fact[Principal]{principal}, Resources: []*Fact[Resource]{resource},
		Parent: token, Token: token, Credential: Credential{ID: "crd_1", Method: "private_key_jwt"},
		Consent: &Consent{ID: "cns_1", Client: "agt_1", Subject: "usr_1", Resource: "rsv_1", Scopes: map[string]bool{"read": true}, ExpiresAt: 2000, Reach: reach, Details: payments},
		Session: &Session{AuthTime: 900, ACR: "1", AMR: []string{"pwd"}}, Consents: []*Consent{{Scopes: map[string]bool{}, Reach: reach, Details: payments}},
		Approval: &Approval{
			ID: "apr_1", Kind: "machine", Client: "agt_1", Subject: "usr_1", State: "approved", Delivery: "poll", ACRValues: []string{"1"}, CreatedAt: 900, ExpiresAt: 1200,
			GrantType: "client_credentials", Parent: "tok_1", Approver: &Approver{Known: "owner", Status: "active", ExpiresAt: Never},
			Scopes: map[string][]string{"rsv_1": {"read"}}, Details: map[string][]Detail{"rsv_1": payments}, Until: 2000,
		},
		Represented:  principal,
		Acquaintance: &Acquaintance{Known: "owner", Reached: true, UserCode: "ok", Waiting: 1, Pending: 1, Asked: 1, Denials: 1, DeniedAt: 900, ReportedAt: 900},
		Object:       &Object{Kind: "passkey", ID: "psk_1", Owner: "usr_1", SecondFactor: true},
		Authorization: &Authorization{
			ID: "gnt_1", Client: "agt_1", Subject: "usr_1", Resources: []string{"rsv_1"}, Scopes: reach, PKCE: "ok", ExpiresAt: 1060, EndsAt: 2000,
			AuthTime: 900, ACR: "1", AMR: []string{"pwd"}, Nonce: "n", Details: map[string][]Detail{"rsv_1": payments},
		},
	}
}

func document(t *testing.T, v any) any {
	t.Helper()
	body, err := json.Marshal(v)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err)
	return doc
}

func inputSchema(t *testing.T) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	body, err := FS.ReadFile("schemas/input.json")
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("input.json", doc))
	compiled, err := c.Compile("input.json")
	require.NoError(t, err)
	return compiled, doc.(map[string]any)
}

func TestInputsMatchTheirSchema(t *testing.T) {
	schema, _ := inputSchema(t)
	holes := full(t)
	holes.Chain = append(holes.Chain, nil)
	holes.Resources = append(holes.Resources, nil)
	application := full(t)
	unowned, err := NewFact(Principal{ID: "app_1", Kind: "application", Labels: map[string]string{}, Scopes: map[string]map[string][]string{}})
	require.NoError(t, err)
	application.Client = unowned
	for name, in := range map[string]Input{
		"full":                  full(t),
		"unknown members":       holes,
		"client without owner":  application,
		"nothing but a request": {Action: IssueClientCredentials, Now: 1000, Request: Request{Resources: []string{}, Scopes: []string{}}},
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, schema.Validate(document(t, in))) })
	}
}

func TestSchemaKnowsNoOtherFields(t *testing.T) {
	schema, _ := inputSchema(t)
	doc := document(t, full(t)).(map[string]any)
	for _, at := range []string{"client", "parent", "consent", "authorization", "request", "credential"} {
		doc[at].(map[string]any)["agnet"] = "x"
		require.Error(t, schema.Validate(doc), at)
		delete(doc[at].(map[string]any), "agnet")
	}
	require.NoError(t, schema.Validate(doc))
}

// What the schema offers to authors of house policy must be there.
func TestSchemaPromisesNothingThatGoDoesNotKeep(t *testing.T) {
	_, schema := inputSchema(t)
	definitions := schema["definitions"].(map[string]any)
	addedForHousePolicy := []string{"resource", "granted", "granted_details"}
	var kept func(where string, schema map[string]any, doc any)
	kept = func(where string, schema map[string]any, doc any) {
		if ref, ok := schema["$ref"].(string); ok {
			schema = definitions[ref[len("#/definitions/"):]].(map[string]any)
		}
		if items, ok := schema["items"].(map[string]any); ok {
			for _, item := range doc.([]any) {
				kept(where+"/*", items, item)
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			child, ok := doc.(map[string]any)[name]
			require.True(t, ok, "%s/%s", where, name)
			kept(where+"/"+name, property.(map[string]any), child)
		}
	}
	for _, name := range addedForHousePolicy {
		delete(schema["properties"].(map[string]any), name)
	}
	kept("", schema, document(t, full(t)))
}

func TestVersionIsTheSchemas(t *testing.T) {
	_, schema := inputSchema(t)
	version := schema["properties"].(map[string]any)["v"].(map[string]any)["enum"].([]any)
	require.Equal(t, []any{json.Number("1")}, version)
	require.Equal(t, 1, Version)
}
