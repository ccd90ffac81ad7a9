//go:build linux

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// goal is a share of the bare limit that must be reached, and one to aim at.
type goal struct{ must, aim float64 }

// kase is one thing that is measured against the bare limit.
type kase struct {
	name  string // what -only selects by
	what  string
	world world
	reuse bool // exact reuse of decisions is on
	conns int
	goal  *goal
	rows  string // the query that finds what was answered in the ledger
	want  []byte
	slow  time.Duration // of every commit, by the database; 0: as fast as it is
	prepare
}

// prepare gets ready on a running server and returns the requests. It may say
// more of them in the row.
type prepare func(e *estate, addr string, r *row) (source, error)

var standard = world{agents: 1000, held: 20}

func ownTokens(e *estate, _ string, _ *row) (source, error) { return e.ownTokens(), nil }

// exchanges is the exchange of tokens that have gone some hops already.
func exchanges(hops int) prepare {
	return func(e *estate, addr string, _ *row) (source, error) {
		tokens, err := e.walk(addr, hops)
		return shuffled(e.hop(tokens, hops)), err
	}
}

// lookups introspect one token a line, again and again.
func lookups(e *estate, addr string, _ *row) (source, error) {
	tokens, err := e.walk(addr, 1)
	requests := make([][]byte, len(tokens))
	for l, token := range tokens {
		requests[l] = introspect(l*line+1, token) // the service it is for asks
	}
	return shuffled(requests), err
}

// firstLookups introspect many tokens, each of them once as far as they last: as
// many as a minute yields.
func firstLookups(count int) prepare {
	return func(e *estate, addr string, r *row) (source, error) {
		var ask [][]byte
		for l := range e.lines() {
			ask = append(ask, clientCredentials(l*line, scopeOf(0), serviceURI(l, 0)))
		}
		var requests [][]byte
		out, err := drive(addr, load{
			conns: 32, count: count, time: time.Minute, next: inOrder(ask), want: wantToken,
			each: func(body []byte) {
				token := tokenOf(body)
				requests = append(requests, introspect(holderOf(token), token))
			},
		})
		if err == nil && out.failed > 0 {
			err = errors.New(out.complaint)
		}
		r.what = fmt.Sprintf("introspection of %d different tokens", len(requests))
		return inOrder(requests), err
	}
}

// holderOf reads which agent a token was issued to.
func holderOf(token string) (agent int) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	var claims struct {
		Client string `json:"client_id"`
	}
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	_ = json.Unmarshal(body, &claims)
	agent, _ = strconv.Atoi(strings.TrimPrefix(claims.Client, "agt_"))
	return agent
}

// Names that more than one place must agree on.
const (
	ccName        = "cc"
	evaluatedName = "cc-evaluated"
	openName      = "open"
	swapName      = "swap"
	startName     = "start"
)

// cases are what is compared with the bare limit, those of one world together.
func (b *bench) cases() []kase {
	all := b.mainCases()
	if !b.quick {
		main := slices.Clone(all)
		for _, conns := range []int{1, 128} {
			for _, k := range main {
				k.name, k.conns, k.goal = fmt.Sprintf("%s/c%d", k.name, conns), conns, nil
				all = append(all, k)
			}
		}
	}
	if b.postgres != nil {
		k := b.ownTokens("flush1ms", standard, true)
		k.what, k.conns, k.slow, k.goal = "client credentials, every commit 1 ms slower", 128, time.Millisecond, &goal{0.45, 0.70}
		all = append(all, k)
	}
	agents, held := []int{10, 100_000, 1_000_000}, []int{10, 100, 1000, 10_000}
	if b.quick {
		agents, held = []int{10}, []int{10, 1000}
	}
	for _, n := range agents {
		all = append(all, b.ownTokens(fmt.Sprintf("%s/agents%d", ccName, n), world{n, standard.held}, true))
	}
	for _, n := range held {
		all = append(all, b.ownTokens(fmt.Sprintf("%s/held%d", ccName, n), world{fewAgents, n}, true),
			b.ownTokens(fmt.Sprintf("%s/held%d", evaluatedName, n), world{fewAgents, n}, false))
	}
	return all
}

// fewAgents is how many hold scopes by the thousand: it is the width of a
// decision that is measured there, not memory.
const fewAgents = 20

func (b *bench) mainCases() []kase {
	evaluated, reused := b.ownTokens(evaluatedName, standard, false), b.ownTokens(ccName, standard, true)
	evaluated.goal, reused.goal = &goal{0.30, 0.45}, &goal{0.50, 0.80}
	if b.postgres != nil {
		reused.goal.aim = 0.75
	}
	distinct := 100_000
	if b.quick {
		distinct = 5000
	}
	return []kase{
		evaluated, reused,
		standardCase("exchange1", "token exchange, first hop", goal{0.40, 0.65}, granted, wantToken, exchanges(0)),
		standardCase("exchange4", "token exchange, fourth hop", goal{0.25, 0.45}, granted, wantToken, exchanges(3)),
		standardCase("introspect", "introspection of the same tokens", goal{1.2, 1.8}, shown, wantActive, lookups),
		standardCase("introspect-new", "introspection of different tokens", goal{0.55, 0.70}, shown, wantActive, firstLookups(distinct)),
	}
}

func standardCase(name, what string, g goal, rows string, want []byte, p prepare) kase {
	return kase{name: name, what: what, world: standard, reuse: true, conns: 32, goal: &g, rows: rows, want: want, prepare: p}
}

func (b *bench) ownTokens(name string, w world, reuse bool) kase {
	what := "client credentials"
	if !reuse {
		what += ", every decision evaluated"
	}
	return kase{name: name, what: what, world: w, reuse: reuse, conns: 32, rows: granted, want: wantToken, prepare: ownTokens}
}

// wanted reports whether -only names a case: by a pattern, or all the main ones
// by that word.
func (b *bench) wanted(name string) bool {
	if len(b.only) == 0 {
		return true
	}
	return slices.ContainsFunc(b.only, func(pattern string) bool {
		if pattern == "main" {
			return slices.ContainsFunc(b.mainCases(), func(k kase) bool { return k.name == name })
		}
		ok, _ := path.Match(pattern, name)
		return ok
	})
}
