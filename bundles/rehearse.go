package bundles

import (
	"context"
	"fmt"

	"github.com/deputyauth/deputy/policies"
)

// fit compiles a house policy and lets it answer sample questions, so that one
// which can only err is found before it serves.
func (e *Engine) fit(house *source) (*layer, error) {
	l, err := compileHouse(house)
	if err != nil {
		return nil, err
	}
	questions, err := samples()
	if err != nil {
		return nil, err
	}
	for _, in := range questions {
		if err := e.rehearse(in, house, l); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// patience is how many deadlines a rehearsal may take: a machine that is busy
// just then must not make a policy unfit.
const patience = 5

// rehearse asks one question. Any answer will do, but an answer it must be.
func (e *Engine) rehearse(in policies.Input, house *source, l *layer) error {
	d, err := e.decide(context.Background(), in, l, patience*e.deadline)
	if err != nil {
		return fmt.Errorf("sample %s: %w", in.Action, err)
	}
	for _, r := range d.Reasons {
		if r.Code == policies.CodePolicyError {
			return fmt.Errorf("%s: sample %s: %s has a value that cannot be used",
				house.ruleNamed(policies.Kind(in.Action), r.Value), in.Action, r.Value)
		}
	}
	return nil
}

// samples are questions that the floor allows, one for every action a house has
// a say in.
func samples() ([]policies.Input, error) {
	const server, scope = "rsv_deputy", "clients:read"
	held := map[string]map[string][]string{server: {scope: {"rol_sample"}}, "rsv_openid": {"openid": {"rol_sample"}}}
	agent, err := policies.NewFact(policies.Principal{
		ID: "agt_sample", Kind: "agent", Name: "Sample", Status: "active", ExpiresAt: policies.Never,
		Labels: map[string]string{}, Scopes: held, MaxTTL: 600, Defaults: map[string][]string{},
		Owner:      &policies.Owner{ID: "usr_sample", Status: "active", ExpiresAt: policies.Never},
		GrantTypes: []string{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "authorization_code", "refresh_token"},
	})
	if err != nil {
		return nil, err
	}
	resource, err := policies.NewFact(policies.Resource{
		ID: server, Identifier: "https://sample.invalid", Name: "Sample", Status: "active", Operator: "agt_sample",
		TokenTTL: 300, MaxDepth: 4, Scopes: map[string]policies.Scope{scope: {Risk: "low"}},
	})
	if err != nil {
		return nil, err
	}
	token := &policies.Token{
		ID: "tok_sample", Client: "agt_sample", Subject: "agt_sample", Expires: policies.Never,
		Audience: policies.Audience{ID: server, Operator: "agt_sample", Status: "active"}, Chain: []string{},
		Grant: policies.Grant{ID: "gnt_sample", ExpiresAt: policies.Never}, Txn: "tok_sample", Own: []string{scope}, Scopes: held,
	}
	ask := policies.Input{
		Now: 1, Client: agent, Credential: policies.Credential{ID: "crd_sample", Method: "private_key_jwt"},
		Request:   policies.Request{Resources: []string{"https://sample.invalid"}, Scopes: []string{scope}},
		Resources: []*policies.Fact[policies.Resource]{resource},
	}
	people, err := peoplesSamples(ask, held)
	if err != nil {
		return nil, err
	}
	own, exchange, introspect, admin, access := ask, ask, ask, ask, ask
	own.Action = policies.IssueClientCredentials
	exchange.Action, exchange.Subject, exchange.Parent = policies.IssueTokenExchange, agent, token
	introspect.Action, introspect.Subject, introspect.Token = policies.Introspect, agent, token
	admin.Action, admin.Subject, admin.Token = policies.AdminPrefix+"listClients", agent, token
	access.Action, access.Subject = policies.Evaluate, agent
	access.Request.Asked = &policies.Asked{Type: "agent", Subject: "agt_sample", Chain: []string{}, ResourceType: "resource_server"}
	return append(people, own, exchange, introspect, admin, access), nil
}

// peoplesSamples are those in which a person takes part: what is asked of the
// sample agent's own, asked for a user who agreed to it.
func peoplesSamples(ask policies.Input, held map[string]map[string][]string) ([]policies.Input, error) {
	user, err := policies.NewFact(policies.Principal{
		ID: "usr_sample", Kind: "user", Name: "Sample", Status: "active", ExpiresAt: policies.Never, Labels: map[string]string{}, Scopes: held,
	})
	if err != nil {
		return nil, err
	}
	client, server := ask.Client.Value.ID, ask.Resources[0].Value.ID
	ask.Subject = user
	ask.Consent = &policies.Consent{
		ID: "cns_sample", Client: client, Subject: "usr_sample", Resource: server, Scopes: map[string]bool{ask.Request.Scopes[0]: true},
		ExpiresAt: policies.Never, RedirectsOK: true, Reach: held,
	}
	ask.Authorization = &policies.Authorization{Kind: "authorization_code",
		ID: "gnt_sample", Client: client, Subject: "usr_sample", Resources: []string{server}, Scopes: held,
		RedirectOK: true, PKCE: "ok", ExpiresAt: policies.Never, EndsAt: policies.Never, AMR: []string{"pwd"},
	}
	code, refresh, visit := ask, ask, ask
	code.Action, refresh.Action = policies.IssueAuthorizationCode, policies.IssueRefreshToken
	visit.Action, visit.Consent, visit.Authorization = policies.Authorize, nil, nil
	visit.Session, visit.Request.Visit = &policies.Session{AuthTime: 1}, &policies.Visit{RedirectOK: true, PKCE: "ok", Began: 1}
	reply := visit
	reply.Action = policies.AnswerConsent
	reply.Request.Answer = &policies.Answer{Scopes: []policies.Grants{{Resource: server, Scope: ask.Request.Scopes[0]}}, Until: 2}
	who := ask
	who.Action, who.Authorization, who.Chain = policies.Userinfo, nil, []*policies.Fact[policies.Principal]{ask.Client}
	who.Token = &policies.Token{
		ID: "tok_sample", Client: client, Subject: "usr_sample", Expires: policies.Never, Txn: "tok_sample", Own: []string{"openid"}, Scopes: held,
		Audience: policies.Audience{ID: "rsv_openid", Status: "active"}, Chain: []string{client}, Grant: policies.Grant{ID: "gnt_sample", ExpiresAt: policies.Never},
	}
	return []policies.Input{code, refresh, visit, reply, who}, nil
}
