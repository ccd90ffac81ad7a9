package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models/modelstest"
)

func TestExplainTellsPeople(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		chat := []string{"explain", "--client", "chat-widget", "--resource", "https://support-agent.example", "--scope"}
		out := d.must(append(chat, "agent:chat")...)
		require.Regexp(t, `(?m)^granted +yes$`, out)
		require.Regexp(t, `(?m)^assuming +crd_\w+ \(client_secret_basic\)$`, out)

		out, err := d.deputy(append(chat, "agent:chat agent:analytics")...)
		require.ErrorContains(t, err, "would not be granted", "the command ends non-zero")
		for _, line := range []string{
			`granted +no`, `scope +agent:chat`, `told +invalid_scope: Client chat-widget does not hold scope agent:analytics.*`,
			`    party +client chat-widget`, `    lacks +scope agent:analytics`, `    rule +scope_not_held +floor/scope/scope.rego:\d+`,
			`    by +the owner olivia; an administrator with roles:assign`,
		} {
			require.Regexp(t, `(?m)^`+line+`$`, out)
		}

		own := d.must("token", "get", "--as", "orchestrator", "--resource", "https://orchestrator.example", "--scope", "agent:orchestrate")
		raw := strings.TrimSpace(own[strings.Index(own, "eyJ"):])
		hop := []string{"explain", "--client", "orchestrator", "--grant", "token-exchange", "--resource", "https://search-agent.example", "--scope", "search:web", "--subject-token"}
		require.Regexp(t, `(?m)^chain +orchestrator$`, d.must(append(hop, raw)...))
		out, err = d.deputy(append(hop, "garbage")...)
		require.Error(t, err)
		require.Contains(t, out, "and 1", "what follows is counted, not told")
		require.NotContains(t, out, " 2. ")

	})
}

func TestExplainTellsWhatAUserWouldSee(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		out, err := d.deputy("explain", "--client", "admin-tool", "--user", "joe", "--resource", "https://support-agent.example", "--scope", "agent:chat")
		require.Error(t, err, "it was not made for people")
		for _, line := range []string{
			`granted +no`, `greyed +agent:chat at support-agent`, ` {10}Subject joe does not hold scope agent:chat\..*`, `.*Client admin-tool may not use grant_type authorization_code\..*`,
		} {
			require.Regexp(t, `(?m)^`+line+`$`, out)
		}
		_, err = d.deputy("explain", "--client", "admin-tool", "--user", "nobody")
		require.ErrorContains(t, err, `no user named "nobody"`)
		_, err = d.deputy("explain", "--client", "admin-tool", "--grant", "refresh_token")
		require.ErrorContains(t, err, "refresh_token is missing")
		out, err = d.deputy("explain", "--client", "admin-tool", "--grant", "authorization_code", "--granted", "gnt_nothing")
		require.Error(t, err)
		require.Contains(t, out, "authorization_unusable")
	})
}

func TestExplainTellsWhomAnAgentMayAsk(t *testing.T) {
	d := startDev(t, "sqlite")
	d.must("agent", "set", "search-agent", "--grant", "ciba")
	ask := []string{"explain", "--client", "search-agent", "--grant", "ciba", "--user", "joe", "--resource", "https://support-agent.example", "--scope", "agent:chat"}
	out, err := d.deputy(ask...)
	require.Error(t, err)
	require.Regexp(t, `told +unknown_user_id`, out)
	require.Regexp(t, `rule +user_unknown +floor/approval/approval.rego:\d+`, out)
	require.Contains(t, out, "an administrator with clients:write")
	d.must("agent", "ask", "search-agent", "allow", "joe")
	out, _ = d.deputy(ask...)
	require.NotContains(t, out, "user_unknown")

	store := d.store()
	joe, err := store.UserNamed(context.Background(), "joe")
	require.NoError(t, err)
	asked := modelstest.Ask(t, store, d.client(store, "search-agent").ID, joe.ID)
	out, err = d.deputy("explain", "--client", "search-agent", "--grant", "ciba", "--approval", asked.ID)
	require.ErrorContains(t, err, "would not be granted")
	require.Regexp(t, `told +authorization_pending`, out)
	require.Regexp(t, `party +approval `+asked.ID, out)
	d.wrong("auth_req_id is missing", "explain", "--client", "search-agent", "--grant", "ciba")
}

func TestExplainTellsOfADecision(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		_, err := d.deputy("token", "get", "--as", "chat-widget", "--scope", "agent:analytics", "--resource", "https://support-agent.example")
		require.Error(t, err)
		decision := regexp.MustCompile(`dec_\w+`).FindString(d.must("audit", "tail", "-n", "1"))
		out, err := d.deputy("explain", decision)
		require.Error(t, err)
		require.Contains(t, out, "decision  "+decision)
		require.Contains(t, out, "floor/scope/scope.rego:")
		out, err = d.deputy("explain", decision, "--json")
		require.Error(t, err)
		var whole struct {
			Missing []any `json:"missing"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &whole))
		require.Len(t, whole.Missing, 1)

		_, err = d.deputy("explain")
		require.ErrorContains(t, err, "explain what?")
		_, err = d.deputy("explain", decision, "--client", "chat-widget")
		require.ErrorContains(t, err, "explain what?")
		_, err = d.deputy("explain", "--client", "nobody")
		require.ErrorContains(t, err, `no agent or application named "nobody"`)
	})
}
