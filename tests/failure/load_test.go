//go:build linux

package failure

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/deputyauth/deputy/tests/harness"
	"github.com/deputyauth/deputy/tests/process"
)

type (
	answer = process.Answer
	ask    = process.Ask
	load   = process.Load
)

// ask is a request of the agent's.
func (w *world) ask(path string, form url.Values) ask {
	return ask{At: w.Deputy, Path: path, Form: form, As: w.agent}
}

// own asks for a token with the secret, proven one with an assertion.
func (w *world) own() ask {
	return w.ask("/oauth2/token", harness.OwnForm(w.Service.Identifier, "read"))
}

func (w *world) proven() ask {
	a := w.own()
	a.Assertion = w.agent.Assertion(w.Issuer)
	return a
}

// exchange trades a token for a narrower one, inspect looks at one.
func (w *world) exchange(token string) ask {
	return w.ask("/oauth2/token", harness.ExchangeForm(token, w.Service.Identifier, "read"))
}

func (w *world) inspect(token string) ask { return process.Inspect(w.Deputy, w.agent, token) }

// mixed is a load of every kind, turn by turn.
func (w *world) mixed(parent string) func(turn int) ask {
	return func(turn int) ask {
		switch turn % 4 {
		case 0:
			return w.proven()
		case 1:
			return w.exchange(parent)
		case 2:
			return w.inspect(parent)
		default:
			return w.own()
		}
	}
}

// drive begins a load, of which no connection begins where another does.
func (w *world) drive(connections int, next func(turn int) ask) *load {
	return w.Drive(connections, func(connection, turn int) []ask { return []ask{next(connection + turn)} })
}

// token gets a token that must be granted.
func (w *world) token() string {
	w.t.Helper()
	a := process.Send(http.DefaultClient, w.own())
	if !a.Granted() {
		w.t.Fatalf("no token: %d %s %v", a.Status, a.Body.Error, a.Err)
	}
	return a.Body.Token
}

// summed counts the answers of a load, whose requests were all good ones: what is
// neither granted nor unavailable must not be.
func summed(t *testing.T, answers []*answer) process.Counts {
	t.Helper()
	c := process.Count(answers)
	for _, a := range c.Other[:min(len(c.Other), 5)] {
		t.Errorf("%s was answered %d %q, Retry-After %q, %v", a.Path, a.Status, a.Body.Error, a.Retry, a.Err)
	}
	if len(c.Other) > 0 {
		t.Errorf("answers that must not be: %d", len(c.Other))
	}
	return c
}
