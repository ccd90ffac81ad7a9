package laws

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// patience is how many requests a sabotage may go unnoticed.
const patience = 4000

// playUntilBroken plays worlds until a law breaks.
func (p *player) playUntilBroken(t *testing.T, seed uint64) error {
	t.Helper()
	for world := 0; p.cases < patience; world++ {
		if err := p.play(seed, world, casesPerWorld); err != nil {
			t.Logf("noticed after %d cases", p.cases)
			return err
		}
	}
	return nil
}

// A law is worth what it can notice. Rules of the floor are taken out one at a
// time; where the seat belt then refuses, that is a fault of the server's.
func TestASabotagedFloorBreaksALaw(t *testing.T) {
	for name, s := range map[string]struct{ file, cut, law string }{
		"a token is widened":              {"floor/scope/scope.rego", `(?s)missing contains \{"code": "scope_not_in_parent".*?\n\}\n`, "L0: POST /oauth2/token: the server is at fault: 500"},
		"a suspended actor goes on":       {"floor/standing/chain.rego", `(?s)reasons contains \{"code": "actor_inactive".*?\n\}\n`, "L4: "},
		"a revoked token lives on":        {"floor/token/token.rego", `(?s)reasons contains \{"code": "token_revoked".*?\n\}\n`, "L4: "},
		"anybody exchanges":               {"floor/delegation/delegation.rego", `(?s)reasons contains \{"code": "not_entitled".*?\n\}\n`, "L3: "},
		"chains have no limit":            {"floor/delegation/delegation.rego", `(?s)reasons contains \{"code": "chain_too_deep".*?\n\}\n`, "L0: POST /oauth2/token: the server is at fault: 500"},
		"anybody introspects":             {"floor/introspect/introspect.rego", `(?s)reasons contains \{"code": "caller_not_audience".*?\n\}\n`, "L9: "},
		"a resource server has no limits": {"floor/lifetime/lifetime.rego", `limits contains input\.resources\[audience\.index\]\.token_ttl\n`, "L2: "},
		"the client need hold nothing":    {"floor/scope/scope.rego", `\tnot input\.client\.scopes\[audience\.id\]\[s\]\[0\]\n`, "L0: "},
		"house policy is left out":        {"compose/issue/issue.rego", `reasons contains r if some r in house\.reasons\n`, "L0: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlayer(t, "sqlite", harness.Options{Floor: harness.Sabotaged(t, s.file, s.cut)})
			require.ErrorContains(t, p.playUntilBroken(t, 1), s.law)
		})
	}
}

// liar answers a question otherwise than policy does.
type liar struct {
	honest grants.Decider
	lie    func(policies.Input, *policies.Decision)
}

func (l liar) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	d, err := l.honest.Decide(ctx, in)
	l.lie(in, &d)
	return d, err
}

func TestALyingEngineBreaksALaw(t *testing.T) {
	for name, s := range map[string]struct {
		law string
		lie func(policies.Input, *policies.Decision)
	}{
		"tokens live a second longer": {"L2: ", func(in policies.Input, d *policies.Decision) {
			// The seat belt would catch a life that misses the end which its answer names.
			if in.Action == policies.IssueClientCredentials && d.Allow && d.Ends == 0 && d.Resource != "rsv_deputy" {
				d.TTL++
			}
		}},
		"a refusal is recorded with another reason": {"L5: ", func(_ policies.Input, d *policies.Decision) {
			for i := range d.Reasons {
				d.Reasons[i].Rule = "elsewhere.rego:1"
			}
		}},
		"a right is forgotten": {"L0: ", func(in policies.Input, d *policies.Decision) {
			if in.Action == policies.IssueTokenExchange && len(in.Chain) == 1 && d.Allow {
				*d = policies.Decision{Revision: d.Revision, Reasons: []policies.Reason{{Code: "scope_not_held", Party: "client", Scope: d.Scopes[0]}}}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlayer(t, "sqlite", harness.Options{Wrap: func(d grants.Decider) grants.Decider { return liar{d, s.lie} }})
			require.ErrorContains(t, p.playUntilBroken(t, 1), s.law)
		})
	}
}

// An answer that nobody was given, or that the ledger lacks, breaks law 8.
func TestAnEntryTooManyOrTooFewBreaksALaw(t *testing.T) {
	p := newPlayer(t, "sqlite", harness.Options{})
	require.NoError(t, p.play(1, 1, casesPerWorld))
	p.s.Own(p.boss.Client, p.s.URL+"/api/v1", "audit:read")
	p.ledger.check(p)
	require.ErrorContains(t, p.broken, "L8: ")

	p.broken = nil
	p.ledger.owe(answer{call: "never-sent"}, owed{granted: true})
	p.ledger.check(p)
	require.ErrorContains(t, p.broken, "the ledger has nothing of it")
}

// So does a failure that was counted, and answered nobody, or answered, and not
// counted, or counted with others than its like.
func TestAWrongCountOfFailuresBreaksALaw(t *testing.T) {
	for law, spoil := range map[string]func(p *player, last answer, o owed){
		"the ledger counts 1 failures like": func(p *player, _ answer, o owed) {
			p.s.Form("/oauth2/token", nil, url.Values{"grant_type": {"client_credentials"}, "client_id": {o.claimed}, "client_secret": {"wrong"}})
		},
		"the ledger counts 0 failures like": func(p *player, last answer, o owed) {
			last.call = "never-counted"
			p.ledger.owe(last, o)
		},
		"was told of failure": func(p *player, last answer, o owed) {
			last.call, o.alike = "another's", "something else"
			p.ledger.owe(last, o)
		},
		"the ledger has nothing of it": func(p *player, last answer, o owed) {
			last.call, o.failed = "a decision", false
			p.ledger.owe(last, o)
		},
	} {
		t.Run(law, func(t *testing.T) {
			p := newPlayer(t, "sqlite", harness.Options{})
			require.NoError(t, p.play(1, 1, 1))
			p.strangers()
			p.ledger.check(p)
			require.NoError(t, p.broken, "as long as nothing is wrong")
			p.strangers()
			o := p.ledger.owed[fmt.Sprintf("call-%d", p.calls)]
			require.True(t, o.failed)
			spoil(p, o.got, o)
			p.ledger.check(p)
			require.ErrorContains(t, p.broken, "L8: ")
			require.ErrorContains(t, p.broken, law)
		})
	}
}
