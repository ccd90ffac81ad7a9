package main

import (
	"context"
	"slices"
)

// goal is a row of docs/performance.md: a share of the bare limit.
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
	// prepare gets ready on a running server and returns the requests.
	prepare func(ctx context.Context, e *estate, addr string) (source, error)
}

var standard = world{agents: 1000, held: 20}

func ownTokens(_ context.Context, e *estate, _ string) (source, error) { return e.ownTokens(), nil }

// exchanges is the exchange of tokens that have gone some hops already.
func exchanges(hops int) func(context.Context, *estate, string) (source, error) {
	return func(_ context.Context, e *estate, addr string) (source, error) {
		tokens, err := e.walk(addr, hops)
		return shuffled(e.hop(tokens, hops)), err
	}
}

// lookups introspect one token a line, again and again.
func lookups(_ context.Context, e *estate, addr string) (source, error) {
	tokens, err := e.walk(addr, 1)
	requests := make([][]byte, len(tokens))
	for l, token := range tokens {
		requests[l] = introspect(l*line+1, token) // the service it is for asks
	}
	return shuffled(requests), err
}

func cases(quick bool) []kase {
	cc := func(name, what string, w world, reuse bool, conns int, g *goal) kase {
		return kase{name, what, w, reuse, conns, g, granted, wantToken, ownTokens}
	}
	all := []kase{
		cc("cc-evaluated", "client credentials, every decision evaluated", standard, false, 32, &goal{0.30, 0.45}),
		cc("cc", "client credentials", standard, true, 32, &goal{0.50, 0.80}),
		{"exchange1", "token exchange, first hop", standard, true, 32, &goal{0.40, 0.65}, granted, wantToken, exchanges(0)},
		{"exchange4", "token exchange, fourth hop", standard, true, 32, &goal{0.25, 0.45}, granted, wantToken, exchanges(3)},
		{"introspect", "introspection, the same tokens again", standard, true, 32, &goal{1.2, 1.8}, shown, wantActive, lookups},
	}
	_ = quick
	return all
}

func selected(all []kase, only []string) []kase {
	if len(only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(k kase) bool {
		return !slices.ContainsFunc(only, func(o string) bool { return matches(k.name, o) })
	})
}
