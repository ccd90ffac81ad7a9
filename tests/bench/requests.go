//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
)

const (
	tokenPath      = "/oauth2/token"
	introspectPath = "/oauth2/introspect"
	exchangeGrant  = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken    = "urn:ietf:params:oauth:token-type:access_token"
)

var (
	wantToken  = []byte(`{"access_token":"`)
	wantActive = []byte(`{"active":true`)
)

// post is a whole request with a form for a body.
func post(path, form string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		path, len(form), form)
}

// as is how an agent authenticates: client_secret_post, so that the bare limit
// reads the same fields.
func as(agent int) string {
	return "&client_id=" + agentID(agent) + "&client_secret=" + secretOf(agent)
}

func clientCredentials(agent int, scope, resource string) []byte {
	return post(tokenPath, "grant_type=client_credentials"+as(agent)+"&scope="+url.QueryEscape(scope)+"&resource="+url.QueryEscape(resource))
}

func exchange(agent int, subject, scope, resource string) []byte {
	return post(tokenPath, "grant_type="+url.QueryEscape(exchangeGrant)+as(agent)+"&subject_token="+subject+
		"&subject_token_type="+url.QueryEscape(accessToken)+"&scope="+url.QueryEscape(scope)+"&resource="+url.QueryEscape(resource))
}

func introspect(agent int, token string) []byte {
	return post(introspectPath, "token="+token+as(agent))
}

// source is an endless supply of requests.
type source func() []byte

// shuffled hands out prebuilt requests, round and round in one random order.
func shuffled(requests [][]byte) source {
	order, i := rand.New(rand.NewPCG(1, 2)).Perm(len(requests)), 0
	return func() []byte {
		i++
		return requests[order[i%len(order)]]
	}
}

// inOrder hands out prebuilt requests as they are.
func inOrder(requests [][]byte) source {
	i := -1
	return func() []byte {
		i++
		return requests[i%len(requests)]
	}
}

// ownTokens asks for tokens of agents' own, at random among all: prebuilt while
// they are few, written into one buffer when there are more.
func (w world) ownTokens() source {
	if w.agents <= 10_000 {
		requests := make([][]byte, w.agents)
		for i := range requests {
			requests[i] = clientCredentials(i, asked, ordersURI)
		}
		return shuffled(requests)
	}
	pick := rand.New(rand.NewPCG(1, 2))
	return func() []byte { return clientCredentials(pick.IntN(w.agents), asked, ordersURI) }
}

// tokenOf reads the token out of an answer.
func tokenOf(body []byte) string {
	var a struct {
		Token string `json:"access_token"`
	}
	_ = json.Unmarshal(body, &a)
	return a.Token
}

// collect sends requests one after the other on one connection and returns the
// tokens that came back, in order.
func collect(addr string, requests [][]byte) ([]string, error) {
	var got []string
	out, err := drive(addr, load{
		conns: 1, count: len(requests), next: inOrder(requests), want: wantToken,
		each: func(body []byte) { got = append(got, tokenOf(body)) },
	})
	if err == nil && out.failed > 0 {
		err = errors.New(out.complaint)
	}
	return got, err
}

// walk gets, for every line, the token that has gone the given number of hops:
// the first agent's own, exchanged by one agent after the other.
func (w world) walk(addr string, hops int) ([]string, error) {
	requests := make([][]byte, w.lines())
	for l := range requests {
		requests[l] = clientCredentials(l*line, scopeOf(0), serviceURI(l, 0))
	}
	tokens, err := collect(addr, requests)
	for h := 0; h < hops && err == nil; h++ {
		tokens, err = collect(addr, w.hop(tokens, h))
	}
	return tokens, err
}

// hop asks for the exchange of tokens that have gone h hops: the agent at that
// place of each line asks, for the service after it.
func (w world) hop(tokens []string, h int) [][]byte {
	requests := make([][]byte, len(tokens))
	for l, token := range tokens {
		requests[l] = exchange(l*line+h, token, scopeOf(h+1), serviceURI(l, h+1))
	}
	return requests
}
