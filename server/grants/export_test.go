package grants

import (
	"context"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// The steps of settle one by one, for the benchmarks of each, and what they hand on.
type (
	Facts  = facts
	Proof  = proof
	Matter = matter
)

// Look begins a decision.
func (e *Endpoint) Look(ctx context.Context) (*Facts, error) {
	view, err := e.store.View(ctx)
	return &Facts{view: view, keys: e.keys, now: e.now().Unix()}, err
}

// Authenticate finds out who asks.
func (e *Endpoint) Authenticate(ctx context.Context, f *Facts, a oauth.ClientAuth) (*Proof, error) {
	return e.authenticate(ctx, f, Call{}, a)
}

// Pose loads the facts of a token request.
func (e *Endpoint) Pose(ctx context.Context, f *Facts, p *Proof, req oauth.TokenRequest) (*Matter, error) {
	g := e.grants[req.GrantType]
	in := policies.Input{Action: g.Action(), Now: f.now, Credential: p.credential, Request: request(req)}
	var err error
	if in.Client, err = f.view.Principal(ctx, p.clientID); err != nil {
		return nil, err
	}
	if err := g.Question(ctx, f, req, &in); err != nil {
		return nil, err
	}
	return &Matter{in: in, credential: p.credential.ID}, nil
}

// Decide puts the question and holds the answer to the seat belt.
func (e *Endpoint) Decide(ctx context.Context, m *Matter) (policies.Decision, error) {
	d, err := e.policy.Decide(ctx, m.in)
	if err != nil {
		return d, err
	}
	return d, seatBelt(m.in, d)
}

// Input is the question.
func (m *matter) Input() policies.Input { return m.in }

// Record writes the decision down.
func (e *Endpoint) Record(f *Facts, m *Matter, d policies.Decision) *models.Record {
	return e.record(Call{IP: "127.0.0.1", RequestID: "bench"}, m, d, f.view)
}

// Mint signs the token and adds it to the record.
func (e *Endpoint) Mint(m *Matter, d policies.Decision, r *models.Record) (raw string, err error) {
	var out issuance
	err = e.mint(m.in, d, &out, r)
	return out.raw, err
}
