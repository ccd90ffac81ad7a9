package bundles

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"sync"

	"github.com/deputyauth/deputy/policies"
)

// Policy is a pure function. An answer may therefore be given again to the same
// question, on the same facts, as long as time makes no difference; until when
// it makes none is policy's own word (valid_until). A token that ends at a moment
// of policy's (ends) lives for what is left until then: the moment is the answer.

// question is the digest of everything policy may read, except the time.
type question [sha256.Size]byte

// answers remembers decisions of one house policy. When it is full, those that
// nobody asked for since the last time it was full are forgotten.
type answers struct {
	mu          sync.RWMutex
	recent, old map[question]given
}

type given struct {
	decision policies.Decision
	at       int64 // when it was asked, in unix seconds
}

// maxAnswers bounds each of the two generations.
const maxAnswers = 8192

func newAnswers() *answers { return &answers{recent: map[question]given{}} }

// recall finds the answer to a question, if one was given that holds now. The
// decision is shared and must not be changed.
func (a *answers) recall(q question, now int64) (policies.Decision, bool) {
	a.mu.RLock()
	g, ok := a.recent[q]
	old := false
	if !ok {
		g, ok = a.old[q]
		old = ok
	}
	a.mu.RUnlock()
	if !ok || now < g.at || now > g.decision.ValidUntil {
		return policies.Decision{}, false
	}
	if old {
		a.keep(q, g.at, g.decision)
	}
	d := g.decision
	if d.Ends != 0 {
		d.TTL = d.Ends - now
	}
	d.Reused = true
	return d, true
}

// keep remembers an answer that holds beyond the moment it was given at.
func (a *answers) keep(q question, at int64, d policies.Decision) {
	if !d.Allow || d.ValidUntil < at {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.recent) >= maxAnswers {
		a.old, a.recent = a.recent, make(map[question]given, maxAnswers)
	}
	a.recent[q] = given{d, at}
}

// identify digests a question. Every field of an Input must go into it: a test
// changes each in turn.
func identify(in policies.Input) question {
	w := writer{h: sha256.New()}
	w.text(in.Action, in.Credential.ID, in.Credential.Method, digestOf(in.Client), digestOf(in.Subject), digestOf(in.Represented))
	list(&w, in.Chain, digestOf)
	list(&w, in.Resources, digestOf)
	w.request(in.Request)
	for _, t := range []*policies.Token{in.Parent, in.Token} {
		if w.present(t != nil) {
			w.token(t)
		}
	}
	if w.present(in.Consent != nil) {
		w.consent(in.Consent)
	}
	w.present(in.Consents != nil)
	w.numbers(int64(len(in.Consents)))
	for _, c := range in.Consents {
		if w.present(c != nil) {
			w.consent(c)
		}
	}
	if s := in.Session; w.present(s != nil) {
		w.numbers(s.AuthTime)
		w.text(s.ACR)
		w.texts(s.AMR)
	}
	if a := in.Authorization; w.present(a != nil) {
		w.authorization(a)
	}
	if o := in.Object; w.present(o != nil) {
		w.text(o.Kind, o.ID, o.Owner)
		w.present(o.SecondFactor)
		w.numbers(o.Offers)
	}
	if a := in.Approval; w.present(a != nil) {
		w.approval(a)
	}
	if a := in.Acquaintance; w.present(a != nil) {
		w.text(a.Known, a.UserCode)
		w.present(a.Reached)
		w.numbers(a.Waiting, a.Pending, a.Asked, a.Denials, a.DeniedAt, a.ReportedAt)
	}
	var q question
	w.flush()
	w.h.Sum(q[:0])
	return q
}

// digestOf names a fact; "" where there is none.
func digestOf[T any](f *policies.Fact[T]) string {
	if f == nil {
		return ""
	}
	return f.Digest
}

// writer feeds a hash with values that cannot run into each other.
type writer struct {
	h   hash.Hash
	buf [512]byte
	n   int
}

func (w *writer) flush() {
	w.h.Write(w.buf[:w.n])
	w.n = 0
}

func (w *writer) numbers(values ...int64) {
	for _, v := range values {
		if w.n+8 > len(w.buf) {
			w.flush()
		}
		binary.BigEndian.PutUint64(w.buf[w.n:], uint64(v))
		w.n += 8
	}
}

func (w *writer) text(values ...string) {
	for _, v := range values {
		w.numbers(int64(len(v)))
		for len(v) > 0 {
			if w.n == len(w.buf) {
				w.flush()
			}
			copied := copy(w.buf[w.n:], v)
			w.n, v = w.n+copied, v[copied:]
		}
	}
}

func (w *writer) present(yes bool) bool {
	if yes {
		w.numbers(1)
	} else {
		w.numbers(0)
	}
	return yes
}

func list[T any](w *writer, values []T, name func(T) string) {
	w.numbers(int64(len(values)))
	for _, v := range values {
		w.text(name(v))
	}
}

func (w *writer) texts(values []string) {
	w.present(values != nil) // a list that is absent is null to policy
	list(w, values, func(s string) string { return s })
}

// table writes a map in the order of its keys.
func table[V any](w *writer, m map[string]V, value func(V)) {
	w.present(m != nil)
	w.numbers(int64(len(m)))
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		w.text(k)
		value(m[k])
	}
}

func (w *writer) request(r policies.Request) {
	w.text(r.GrantType, r.TokenProblem)
	w.texts(r.Resources)
	w.texts(r.Scopes)
	w.numbers(r.RequestedTTL)
	w.details(r.Details)
	w.present(r.Approval)
	if w.present(r.Visit != nil) {
		w.visit(r.Visit)
	}
	if w.present(r.Answer != nil) {
		w.answer(r.Answer)
	}
	if w.present(r.Renewal != nil) {
		w.numbers(r.Renewal.Overlap, r.Renewal.Life)
	}
	if a := r.Asked; w.present(a != nil) {
		w.text(a.Type, a.Subject, a.ResourceType)
		w.texts(a.Chain)
	}
	if a := r.ActorToken; w.present(a != nil) {
		w.text(a.Subject, a.Client, a.Problem, a.Audience)
		w.texts(a.Chain)
		w.numbers(a.Expires)
		w.present(a.Revoked)
	}
}

func (w *writer) token(t *policies.Token) {
	w.text(t.ID, t.Client, t.Subject, t.Audience.ID, t.Audience.Operator, t.Audience.Status, t.Grant.ID, t.Txn)
	w.texts(t.Chain)
	w.numbers(t.Expires, t.IssuedAt, t.Grant.ExpiresAt)
	w.present(t.Revoked)
	w.present(t.Grant.Revoked)
	w.texts(t.Own)
	w.details(t.Details)
	w.reach(t.Scopes)
}

func (w *writer) consent(c *policies.Consent) {
	w.text(c.ID, c.Client, c.Subject, c.Resource, c.Approval)
	table(w, c.Scopes, func(granted bool) { w.present(granted) })
	w.numbers(c.ExpiresAt)
	w.present(c.Revoked)
	w.present(c.RedirectsOK)
	w.details(c.Details)
	w.reach(c.Reach)
}

func (w *writer) visit(v *policies.Visit) {
	w.text(v.PKCE, v.Subject)
	w.present(v.RedirectOK)
	w.texts(v.Prompt)
	w.texts(v.ACRValues)
	w.numbers(v.Began)
	if w.present(v.MaxAge != nil) {
		w.numbers(*v.MaxAge)
	}
}

func (w *writer) answer(a *policies.Answer) {
	w.numbers(a.Until)
	w.present(a.Scopes != nil)
	w.numbers(int64(len(a.Scopes)))
	for _, g := range a.Scopes {
		w.text(g.Resource, g.Scope)
	}
	w.numbers(int64(len(a.Details)))
	for _, g := range a.Details {
		w.text(g.Resource)
		w.numbers(int64(g.Index))
	}
}

func (w *writer) details(of []policies.Detail) {
	w.present(of != nil)
	w.numbers(int64(len(of)))
	for _, d := range of {
		w.text(string(d))
	}
}

func (w *writer) authorization(a *policies.Authorization) {
	w.text(a.ID, a.Kind, a.Client, a.Subject, a.PKCE, a.ACR, a.Nonce)
	w.texts(a.Resources)
	w.texts(a.AMR)
	w.reach(a.Scopes)
	table(w, a.Details, w.details)
	w.numbers(a.ExpiresAt, a.EndsAt, a.AuthTime)
	for _, flag := range []bool{a.RedirectOK, a.Revoked, a.Used} {
		w.present(flag)
	}
}

func (w *writer) approval(a *policies.Approval) {
	w.text(a.ID, a.Kind, a.Client, a.Subject, a.State, a.Delivery, a.GrantType, a.Parent)
	w.texts(a.ACRValues)
	w.numbers(a.CreatedAt, a.ExpiresAt, a.Until)
	table(w, a.Scopes, w.texts)
	table(w, a.Details, w.details)
	if by := a.Approver; w.present(by != nil) {
		w.text(by.Known, by.Status)
		w.numbers(by.ExpiresAt)
	}
}

func (w *writer) reach(reach map[string]map[string][]string) {
	table(w, reach, func(scopes map[string][]string) { table(w, scopes, w.texts) })
}
