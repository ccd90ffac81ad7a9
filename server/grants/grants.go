// Package grants turns requests into questions for policy and carries the
// answers out: tokens, introspection, revocation, access to Deputy's own API.
// It knows no Gin, GORM or OPA, and it decides nothing.
package grants

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
	"github.com/deputyauth/deputy/server/tokens"
)

// Decider answers policy questions. The decision it returns is usable, as a
// refusal, even when it returns an error.
type Decider interface {
	Decide(ctx context.Context, in policies.Input) (policies.Decision, error)
}

// Adviser tells what the authors of policy say of a reason it gave.
type Adviser interface {
	Advice(action string, r policies.Reason) policies.Advice
}

// Call says where a request came from, for the ledger.
type Call struct {
	RequestID string
	IP        string
	UserAgent string
	TraceID   string         // of the trace it is part of, "" if nothing is traced
	Event     *signals.Event // what the log will say of it; may be nil
}

// Grant turns one kind of token request into a question for policy. It never
// answers it: Question adds facts to in, nothing more.
type Grant interface {
	Type() string   // grant_type
	Action() string // the policy action, issue:…
	Question(ctx context.Context, f *facts, req oauth.TokenRequest, in *policies.Input) error
}

// Endpoint serves everything that is decided by policy.
type Endpoint struct {
	issuer string
	store  *models.Store
	policy Decider
	advice Adviser
	keys   *tokens.Keyring
	now    func() time.Time
	log    *slog.Logger
	grants map[string]Grant

	refreshes Refreshes

	limits   *limits.Limits
	codes    *limits.UserCodes
	metrics  *signals.Metrics
	caller   Caller
	keySets  *keySets
	word     Word
	failures *failures
	verify   verifier
	used     *lastUsed
	past     lookback
	purged   atomic.Int64 // when codes and refresh tokens were last looked through, in unix seconds
	reminded atomic.Int64 // when what ends was last looked for, in unix seconds
	looked   atomic.Int64 // when notices of unknown kinds were last looked for, in unix seconds
	alarms   atomic.Int64
}

// Config of an Endpoint; every field is required but the last ones.
type Config struct {
	Issuer  string
	Store   *models.Store
	Policy  Decider
	Advice  Adviser
	Keys    *tokens.Keyring
	Now     func() time.Time
	Log     *slog.Logger
	Limits  *limits.Limits   // the defaults if nil
	Metrics *signals.Metrics // nil: nothing is counted

	Refreshes *Refreshes // the defaults if nil
	Caller    Caller     // nil: clients are told nothing
	Word      Word       // nil: nobody can be reached
}

// New makes an Endpoint with every grant there is.
func New(c Config) *Endpoint {
	if c.Limits == nil {
		c.Limits = limits.New(limits.Defaults(), c.Now)
	}
	if c.Word == nil {
		c.Word = noWord{}
	}
	if c.Refreshes == nil {
		c.Refreshes = new(DefaultRefreshes())
	}
	e := &Endpoint{
		issuer: c.Issuer, store: c.Store, policy: timed{c.Policy, c.Metrics}, advice: c.Advice, keys: c.Keys, now: c.Now, log: c.Log,
		grants: map[string]Grant{}, used: newLastUsed(), verify: verifyAssertion,
		limits: c.Limits, codes: limits.NewUserCodes(c.Store, c.Now), metrics: c.Metrics, refreshes: *c.Refreshes, caller: c.Caller, keySets: newKeySets(c.Caller, c.Now), word: c.Word,
	}
	e.failures = newFailures(c.Limits.Config, e.append, c.Now)
	for _, g := range All() {
		e.grants[g.Type()] = g
	}
	return e
}

// All lists the grants. A new one is added here, and to the table of refusals
// in tests/, which fails until it is.
func All() []Grant {
	return []Grant{clientCredentials{}, tokenExchange{}, authorizationCode{}, refreshToken{}, ciba, deviceCode}
}

// Alarms counts how often the seat belt held or policy failed to answer.
func (e *Endpoint) Alarms() int64 { return e.alarms.Load() }

// Token serves the token endpoint. The phases are the same for every grant, in
// this order; a grant cannot skip one.
func (e *Endpoint) Token(ctx context.Context, call Call, req oauth.TokenRequest) (oauth.TokenResponse, error) {
	grant, ok := e.grants[req.GrantType]
	if !ok {
		problem := oauth.Errorf(oauth.UnsupportedGrantType, "This server does not know the grant_type.").Named("unsupported_grant_type")
		return oauth.TokenResponse{}, e.Refuse(ctx, call, "token", req.Client.ID, problem)
	}
	issued, err := e.issue(ctx, call, grant, req, who{show: func(f *facts) (*proof, error) { return e.authenticate(ctx, f, call, req.Client) }})
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	return issued.response(grant), nil
}

// who is whom something is issued to.
type who struct {
	show func(*facts) (*proof, error)
	told func(*issuance, *models.Record) error // what else is recorded with it; nil: nothing
}

// issue is the way of every token.
func (e *Endpoint) issue(ctx context.Context, call Call, grant Grant, req oauth.TokenRequest, to who) (*issuance, error) {
	var issued *issuance
	err := e.settle(ctx, call, grant.Action(), req.Client.ID, func(f *facts) (*matter, error) {
		proof, err := to.show(f)
		if err != nil {
			return nil, err
		}
		span := signals.Start(ctx, "facts")
		in, err := question(ctx, f, grant, req, proof)
		span.End()
		if err != nil {
			return nil, claimedBy(proof.clientID, err)
		}
		issued = &issuance{}
		carryOut := func(d policies.Decision, r *models.Record) error {
			span := signals.Start(ctx, "mint")
			defer span.End()
			if err := e.mint(in, d, issued, r); err != nil {
				return err
			}
			if f.approval != nil {
				r.Spent = &models.Spent{Approval: true, Hash: f.approval.Hash, At: in.Now, Token: issued.token.ID}
			}
			if f.carried == nil {
				return nil
			}
			e.carry(f.carried, in, d, issued, r)
			if err := e.identify(ctx, f, in, d, issued); err != nil || to.told == nil {
				return err
			}
			return to.told(issued, r)
		}
		refused := func(d policies.Decision, id string) error { return e.replayed(ctx, call, in, d, id) }
		m := &matter{in: in, once: proof.once, credential: proof.credential.ID, carryOut: carryOut, refused: refused}
		m.payer, m.stranger = payer(proof, in)
		m.polled = unanswered(in)
		return m, nil
	})
	return issued, err
}

// question is what a token request asks policy, once it is known who asks. It is
// the same whether the request was sent or is only wondered about.
func question(ctx context.Context, f *facts, grant Grant, req oauth.TokenRequest, who *proof) (policies.Input, error) {
	in := policies.Input{Action: grant.Action(), Now: f.now, Credential: who.credential, Request: request(req)}
	var err error
	if in.Client, err = f.view.Principal(ctx, who.clientID); err != nil {
		return in, err
	}
	if err = grant.Question(ctx, f, req, &in); err == nil {
		err = f.wellFormed(ctx, &in)
	}
	return in, err
}

// payer is whose rate a request counts against. Anybody can name a public client: who
// asks for it is known by what is presented, and that pays. Who presents nothing is
// a stranger.
func payer(who *proof, in policies.Input) (id string, stranger bool) {
	switch {
	case who.credential.Method != oauth.None:
		return who.clientID, false
	case in.Authorization != nil:
		return in.Authorization.ID, false
	case in.Approval != nil:
		return in.Approval.ID, false
	case in.Token != nil:
		return in.Token.Grant.ID, false
	default:
		return "", true
	}
}

func request(req oauth.TokenRequest) policies.Request {
	resources := req.Resources
	if resources == nil {
		resources = []string{}
	}
	return policies.Request{GrantType: req.GrantType, Resources: resources, Scopes: req.Scopes, Details: req.Details}
}
