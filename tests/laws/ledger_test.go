package laws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/tests/harness"
)

// owed is what the ledger must say of one answer.
type owed struct {
	granted  bool
	decision string // id that was told, "" if none was
	jti      string // of the token that was issued
	change   bool   // a call of the admin API: it may be admitted in several steps
	seen     bool

	failed  bool   // nobody decided on it; see ask.failed
	alike   string // what such answers have in common that may be counted together
	claimed string // client id that was claimed
	window  int    // in which it was given
	got     answer
}

// auditor reads the ledger behind the player: every answer is there once, alone
// or counted, and nothing else is (L8); every decision can be taken again (L5).
type auditor struct {
	seq      int64 // of the last entry that was read
	owed     map[string]owed
	failures map[string]*failure // by the id of their rows
	window   window
	replayed int
	tokens   int
}

func (l *auditor) begin(s *harness.Server) error {
	rows, _, err := s.Store.Entries(context.Background(), models.EntryFilter{Newest: true}, -1, 1)
	if err != nil || len(rows) != 1 {
		return fmt.Errorf("the ledger's end: %d rows, %w", len(rows), err)
	}
	l.seq, l.owed, l.failures = rows[0].Seq, map[string]owed{}, map[string]*failure{}
	return nil
}

func (l *auditor) owe(a answer, o owed) {
	if o.failed && l.window.earliest == 0 {
		l.window.earliest, l.window.latest = a.asked, a.done
	}
	o.got, o.window = a, l.window.number
	l.owed[a.call] = o
}

// recorded is the detail of an entry, as the ledger keeps it.
type recorded struct {
	Call struct {
		RequestID string `json:"request_id"`
		IP        string `json:"ip"`
	} `json:"call"`
	Error   string   `json:"error"`
	Reason  string   `json:"reason"`
	Claimed string   `json:"claimed_client"`
	Limited bool     `json:"limited"`
	Counted *counted `json:"counted"`
	Input   *struct {
		V          int                 `json:"v"`
		Action     string              `json:"action"`
		Now        int64               `json:"now"`
		Request    policies.Request    `json:"request"`
		Credential policies.Credential `json:"credential"`
		Parent     *policies.Token     `json:"parent"`
		Token      *policies.Token     `json:"token"`
		Consent    *policies.Consent   `json:"consent"`

		Authorization *policies.Authorization `json:"authorization"`
		Client        string                  `json:"client"`
		Subject       string                  `json:"subject"`
		Chain         []string                `json:"chain"`
		Resources     []string                `json:"resources"`
	} `json:"input"`
	Decision policies.Decision `json:"decision"`
}

// check has the server write what it counted, reads what was written since the
// last check, and settles what was owed. The house policy that the decisions were
// taken under must still serve.
func (l *auditor) check(p *player) {
	err := p.s.Endpoint.Finish(context.Background())
	p.must(err == nil, "L8", "the failures that were counted cannot be written: %v", err)
	l.window.end()
	f := &factReader{store: p.s.Store, principals: map[string]*policies.Fact[policies.Principal]{}, resources: map[string]*policies.Fact[policies.Resource]{}}
	for more := true; more && p.broken == nil; {
		var rows []models.Entry
		var err error
		rows, more, err = p.s.Store.Entries(context.Background(), models.EntryFilter{}, l.seq, 200)
		p.must(err == nil, "L8", "the ledger cannot be read: %v", err)
		for _, e := range rows {
			p.must(e.Seq == l.seq+1, "L8", "entry %d follows entry %d", e.Seq, l.seq)
			l.seq = e.Seq
			if e.Kind != models.KindChange {
				l.settle(p, f, e)
			}
		}
	}
	for call, o := range l.owed {
		if !o.seen {
			l.settleCounted(p, call, o)
		}
	}
	l.settleCounts(p)
	clear(l.owed)
}

func (l *auditor) settle(p *player, f *factReader, e models.Entry) {
	var r recorded
	if err := json.Unmarshal([]byte(e.Detail), &r); err != nil {
		p.must(false, "L8", "entry %s cannot be read: %v", e.ID, err)
		return
	}
	if r.Counted != nil {
		l.counts(p, e, r)
		return
	}
	o, ok := l.owed[r.Call.RequestID]
	p.must(ok && (!o.seen || o.change), "L8", "entry %s (%s) is about %q, which was answered nothing or has an entry already", e.ID, e.Action, r.Call.RequestID)
	o.seen = true
	l.owed[r.Call.RequestID] = o
	p.must(o.granted == (e.Outcome == models.OutcomeGranted), "L8", "entry %s says %s of %s: %+v", e.ID, e.Outcome, r.Call.RequestID, o)
	p.must(o.decision == "" || o.decision == e.ID, "L8", "entry %s is of what was told as %s", e.ID, o.decision)
	if o.jti != "" {
		l.tokens++
		p.must(o.jti == e.TokenID, "L8", "entry %s issues %s, and %s was handed out", e.ID, e.TokenID, o.jti)
	}
	p.must(o.failed == (e.Kind == models.KindFailure), "L8", "entry %s of %s is a %s: %+v", e.ID, r.Call.RequestID, e.Kind, o)
	if o.failed {
		l.first(p, e, r, o)
	}
	if e.Kind == models.KindDecision {
		l.replay(p, f, e, r)
	}
}

// replay puts a recorded question again, on the recorded facts, to an engine that
// reuses no answer (L5). So an answer that was reused is held against a new one.
func (l *auditor) replay(p *player, f *factReader, e models.Entry, r recorded) {
	if r.Input == nil {
		p.must(false, "L5", "decision %s keeps no question", e.ID)
		return
	}
	in := policies.Input{
		Action: r.Input.Action, Now: r.Input.Now, Request: r.Input.Request, Credential: r.Input.Credential,
		Parent: r.Input.Parent, Token: r.Input.Token, Consent: r.Input.Consent, Authorization: r.Input.Authorization,
		Client: principal(f, r.Input.Client), Subject: principal(f, r.Input.Subject),
	}
	for _, digest := range r.Input.Chain {
		in.Chain = append(in.Chain, principal(f, digest))
	}
	for _, digest := range r.Input.Resources {
		in.Resources = append(in.Resources, fact(f, f.resources, digest))
	}
	p.must(f.err == nil, "L5", "the facts of %s: %v", e.ID, f.err)
	again, err := p.anew.Decide(context.Background(), in)
	p.must(err == nil, "L5", "decision %s, taken again: %v", e.ID, err)
	p.must(r.Input.V == policies.Version && e.Policy == again.Revision.House, "L5", "decision %s was taken under %s, version %d", e.ID, e.Policy, r.Input.V)
	if r.Decision.Reused {
		p.seen["reused"]++
		r.Decision.Reused = false
	}
	was, errWas := json.Marshal(r.Decision)
	is, errIs := json.Marshal(again)
	p.must(errors.Join(errWas, errIs) == nil && bytes.Equal(was, is), "L5", "decision %s was\n%s\nand taken again is\n%s", e.ID, was, is)
	l.replayed++
}

// factReader reads recorded facts, each once in a world.
type factReader struct {
	store      *models.Store
	principals map[string]*policies.Fact[policies.Principal]
	resources  map[string]*policies.Fact[policies.Resource]
	err        error
}

func principal(f *factReader, digest string) *policies.Fact[policies.Principal] {
	return fact(f, f.principals, digest)
}

// fact reads the fact of a digest, nil if there was none.
func fact[T any](f *factReader, known map[string]*policies.Fact[T], digest string) *policies.Fact[T] {
	if digest == "" || known[digest] != nil || f.err != nil {
		return known[digest]
	}
	var value T
	bodies, err := f.store.FactBodies(context.Background(), []string{digest})
	if err == nil {
		err = json.Unmarshal([]byte(bodies[digest]), &value)
	}
	if err == nil {
		known[digest], err = policies.NewFact(value)
	}
	if err == nil && known[digest].Digest != digest {
		err = fmt.Errorf("fact %s read back is %s", digest, known[digest].Digest)
	}
	f.err = err
	return known[digest]
}

// verify proves the whole ledger (L8).
func (l *auditor) verify(p *player) error {
	ctx := context.Background()
	if err := p.s.Store.SignHead(ctx, p.s.Keys.LedgerSigner()); err != nil {
		return err
	}
	keys, err := p.s.Store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Purpose != models.KeyForLedger {
			continue
		}
		verifier, err := note.NewVerifier(k.PublicJWK)
		if err != nil {
			return err
		}
		v, err := p.s.Store.Verify(ctx, note.VerifierList(verifier), nil)
		if err == nil && len(v.Findings) > 0 {
			err = fmt.Errorf("L8: the ledger does not hold: %v", v.Findings)
		}
		if err == nil && v.Entries != l.seq+1 {
			err = fmt.Errorf("L8: %d entries were verified, and %d read", v.Entries, l.seq+1)
		}
		return err
	}
	return errors.New("there is no ledger key")
}
