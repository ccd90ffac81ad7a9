package tests

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// What a service must not get out of the decision API.
func TestTrap_DecisionsForTheWrongService(t *testing.T) {
	d := newDesk(t, "sqlite", harness.Options{})
	given := d.consents(d.user, d.agent)
	bank := d.Agent("bank", d.User("bank-owner"))
	other := d.Service("bank", bank, "desk:read")
	named := d.about("user", d.user.ID, d.agent.ID)
	a := d.Form("/oauth2/token", d.agent, harness.CodeForm(given.Code))
	require.Equal(t, http.StatusOK, a.Status, a.Body)
	token := a.String("access_token")
	byToken := more(d.about("user", d.user.ID), doc{"context": doc{"token": token}})
	at := func(question doc, id string) doc {
		return more(question, doc{"resource": doc{"type": "resource_server", "id": id}})
	}
	d.permits(d.operator, byToken)
	d.permits(d.operator, at(named, d.service.ID))

	t.Run("another's resource server, and one that is none, are told alike", func(t *testing.T) {
		first := d.refuses(bank, named, "caller_not_operator")
		for _, id := range []string{d.service.Identifier, d.service.ID, "https://nowhere.example", "rsv_nowhere", "not a uri", "desk"} {
			a := d.refuses(bank, at(named, id), "caller_not_operator")
			require.Equal(t, first.JSON["context"].(doc)["reasons"], a.JSON["context"].(doc)["reasons"], id)
			a = d.refuses(bank, at(byToken, id), "caller_not_operator")
			require.Equal(t, first.JSON["context"].(doc)["reasons"], a.JSON["context"].(doc)["reasons"], "with the token: %s", id)
		}
		d.refuses(d.agent, named, "caller_not_operator")
	})
	t.Run("a token for another audience", func(t *testing.T) {
		a := d.refuses(bank, at(byToken, other.Identifier), "audience_mismatch")
		require.NotContains(t, a.Body, d.service.ID)
		d.refuses(d.operator, more(byToken, doc{"resource": doc{"type": "record", "id": d.service.Identifier}}), "resource_unknown")
	})
	t.Run("a token that is none, or is over", func(t *testing.T) {
		for _, bad := range []string{"x", token + "x", token[:len(token)-3]} {
			d.refuses(d.operator, more(named, doc{"context": doc{"token": bad}}), "token_unusable")
		}
	})
	t.Run("a token of somebody else", func(t *testing.T) {
		d.refuses(d.operator, more(byToken, doc{"subject": doc{"type": "user", "id": "usr_other"}}), "subject_mismatch")
		d.refuses(d.operator, more(byToken, doc{"subject": doc{"type": "agent", "id": d.user.ID}}), "subject_mismatch")
	})
	t.Run("an actor dropped from the token, exchanged or added", func(t *testing.T) {
		d.permits(d.operator, more(byToken, doc{"subject": named["subject"]}))
		for _, actors := range [][]string{{bank.ID}, {d.agent.ID, bank.ID}, {bank.ID, d.agent.ID}} {
			d.refuses(d.operator, more(byToken, doc{"subject": d.about("user", d.user.ID, actors...)["subject"]}), "actors_mismatch")
		}
	})
	t.Run("a scope that the token does not carry", func(t *testing.T) {
		d.refuses(d.operator, more(byToken, doc{"action": doc{"name": "desk:write"}}), "insufficient_scope", "scope_not_consented")
	})
}

// T15: what a service says of somebody is a name, never a fact.
func TestTrap_DecisionsOnWhatTheCallerSays(t *testing.T) {
	d := newDesk(t, "sqlite", harness.Options{})
	d.consents(d.user, d.agent)
	stranger := d.User("stranger")
	facts := doc{
		"status": "active", "scopes": doc{d.service.ID: doc{"desk:read": []string{"rol_1"}}}, "roles": []string{"admin"}, "kind": "user",
		"owner": nil, "acr": "2", "consent": true,
	}
	asserted := func(id string, actors ...string) doc {
		question := d.about("user", id, actors...)
		subject := question["subject"].(doc)
		properties, _ := subject["properties"].(doc)
		subject["properties"] = more(facts, properties)
		question["action"].(doc)["properties"] = facts
		question["resource"].(doc)["properties"] = more(facts, doc{"risk": "low", "operator": d.operator.ID})
		return more(question, doc{"context": facts, "client": facts, "decision": true})
	}
	d.permits(d.operator, asserted(d.user.ID, d.agent.ID))
	d.refuses(d.operator, asserted(stranger.ID), "scope_not_held")
	unasked, agent := d.acting()
	d.refuses(d.operator, asserted(unasked.ID, agent.ID), "scope_not_consented")

	t.Run("who holds nothing here and who there is none of are told alike", func(t *testing.T) {
		gone, application, bystander := d.User("gone"), d.Application("application"), d.Agent("bystander", d.User("bystander-owner"))
		d.Allow(gone.ID, d.Service("elsewhere", nil, "desk:read"), "desk:read")
		_, err := d.Store.SuspendUser(t.Context(), models.By{System: "test"}, gone.ID)
		require.NoError(t, err)
		tell := func(kind, id string, actors ...string) string {
			_, a := d.asks(d.operator, d.about(kind, id, actors...))
			delete(a.JSON["context"].(doc), "evaluation_id")
			raw, err := json.Marshal(a.JSON)
			require.NoError(t, err)
			text := string(raw)
			for _, known := range append(actors, id) {
				text = strings.ReplaceAll(text, known, "somebody")
			}
			return text
		}
		nobody := tell("user", "usr_nobody")
		for _, kind := range []string{"user", "agent", "application", "robot"} {
			for _, id := range []string{stranger.ID, gone.ID, application.ID, bystander.ID, "agt_nobody"} {
				require.Equal(t, nobody, tell(kind, id), "%s %s", kind, id)
				require.Equal(t, tell(kind, "usr_nobody", "agt_nobody"), tell(kind, id, bystander.ID), "%s %s", kind, id)
				require.Equal(t, tell(kind, "usr_nobody", d.agent.ID), tell(kind, id, d.agent.ID), "%s %s", kind, id)
			}
		}
	})
	t.Run("an actor that is named in another way is not dropped", func(t *testing.T) {
		plain := d.about("user", d.user.ID)
		d.permits(d.operator, plain)
		act := doc{"sub": d.agent.ID}
		for name, question := range map[string]doc{
			"context.actors":              more(plain, doc{"context": doc{"actors": []string{d.agent.ID}}}),
			"context.agent":               more(plain, doc{"context": doc{"agent": d.agent.ID}}),
			"context.act":                 more(plain, doc{"context": doc{"act": act}}),
			"context.access_token":        more(plain, doc{"context": doc{"access_token": "x"}}),
			"act":                         more(plain, doc{"act": act}),
			"actors":                      more(plain, doc{"actors": []string{}}),
			"subject.act":                 more(plain, doc{"subject": doc{"type": "user", "id": d.user.ID, "act": act}}),
			"subject.properties.actor":    more(plain, doc{"subject": doc{"type": "user", "id": d.user.ID, "properties": doc{"actor": act}}}),
			"An act must":                 more(plain, doc{"subject": doc{"type": "user", "id": d.user.ID, "properties": doc{"act": doc{"sub": d.agent.ID, "actor": act}}}}),
			"subject.properties.act must": more(plain, doc{"subject": doc{"type": "user", "id": d.user.ID, "properties": doc{"act": []any{act}}}}),
			"subject.properties.act.sub":  more(plain, doc{"subject": doc{"type": "user", "id": d.user.ID, "properties": doc{"act": doc{}}}}),
			"No chain has more":           d.about("user", d.user.ID, "a", "b", "c", "d", "e", "f", "g", "h", "i"),
		} {
			a := d.post("/access/v1/evaluation", d.operator, question, nil)
			require.Equal(t, http.StatusBadRequest, a.Status, "%s: %s", name, a.Body)
			require.Contains(t, a.String("error_description"), name)
		}
	})
}

// Each bound that the standard or the server sets, on the wire.
func TestDecisionAPIOnTheWire(t *testing.T) {
	d := newDesk(t, "sqlite", harness.Options{Path: "/auth"})
	d.consents(d.user, d.agent)
	named := d.about("user", d.user.ID, d.agent.ID)
	const path = "/access/v1/evaluation"
	without := func(name string) doc {
		out := more(named, nil)
		delete(out, name)
		return out
	}
	kind := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", value) }
	}
	rows := map[string]struct {
		body   any
		edit   func(*http.Request)
		status int
		says   string
	}{
		"as it should be":        {named, nil, 200, `"decision":true`},
		"unknown members":        {more(named, doc{"unknown": doc{"x": 1}, "options": "no"}), nil, 200, `"decision":true`},
		"unknown subject type":   {more(named, doc{"subject": doc{"type": "robot", "id": "r2"}}), nil, 200, `"decision":false`},
		"null context":           {more(named, doc{"context": nil}), nil, 200, `"decision":true`},
		"charset":                {named, kind("application/json; charset=utf-8"), 200, `"decision":true`},
		"a refusal is a success": {more(named, doc{"action": doc{"name": "desk:write"}}), nil, 200, `"decision":false`},

		"no subject":         {without("subject"), nil, 400, "subject is missing"},
		"no action":          {without("action"), nil, 400, "action is missing"},
		"no resource":        {without("resource"), nil, 400, "resource is missing"},
		"null subject":       {more(named, doc{"subject": nil}), nil, 400, "subject is missing"},
		"no subject type":    {more(named, doc{"subject": doc{"id": "x"}}), nil, 400, "subject.type is missing"},
		"no subject id":      {more(named, doc{"subject": doc{"type": "user"}}), nil, 400, "subject.id is missing"},
		"no action name":     {more(named, doc{"action": doc{}}), nil, 400, "action.name is missing"},
		"no resource type":   {more(named, doc{"resource": doc{"id": "x"}}), nil, 400, "resource.type is missing"},
		"no resource id":     {more(named, doc{"resource": doc{"type": "x"}}), nil, 400, "resource.id is missing"},
		"subject as text":    {more(named, doc{"subject": "joe"}), nil, 400, "subject must be an object"},
		"subject as list":    {more(named, doc{"subject": []any{}}), nil, 400, "subject must be an object"},
		"id as number":       {more(named, doc{"subject": doc{"type": "user", "id": 7}}), nil, 400, "subject.id must be text"},
		"empty id":           {more(named, doc{"subject": doc{"type": "user", "id": ""}}), nil, 400, "subject.id must be text"},
		"long id":            {more(named, doc{"subject": doc{"type": "user", "id": strings.Repeat("x", 256)}}), nil, 400, "subject.id must be text"},
		"control characters": {more(named, doc{"subject": doc{"type": "user", "id": "usr_\x00"}}), nil, 400, "subject.id must be text"},
		"properties as text": {more(named, doc{"subject": doc{"type": "user", "id": "x", "properties": "x"}}), nil, 400, "subject.properties must be an object"},
		"context as list":    {more(named, doc{"context": []any{}}), nil, 400, "context must be an object"},
		"token as object":    {more(named, doc{"context": doc{"token": doc{}}}), nil, 400, "context.token must be text"},
		"name in capitals":   {more(without("subject"), doc{"Subject": named["subject"]}), nil, 400, "subject is missing"},
		"a list":             {[]any{named}, nil, 400, "one JSON object"},
		"null":               {"null", nil, 400, "one JSON object"},
		"nothing":            {"", nil, 400, "one JSON object"},
		"no JSON":            {"{", nil, 400, "one JSON object"},
		"two objects":        {"{}{}", nil, 400, "one JSON object"},
		"too large":          {`{"x":"` + strings.Repeat("x", 70_000) + `"}`, nil, 400, "larger than"},
		"a form":             {named, kind("application/x-www-form-urlencoded"), 400, "application/json"},
		"no content type":    {named, kind(""), 400, "application/json"},
		"details mistyped": {more(named, doc{"resource": doc{"type": "resource_server", "id": d.service.Identifier, "properties": doc{"authorization_details": doc{}}}}), nil,
			400, "authorization_details must be a list"},

		"nobody":              {named, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "invalid_client"},
		"nobody, and no JSON": {"{", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "invalid_client"},
		"wrong secret":        {named, func(r *http.Request) { r.SetBasicAuth(d.operator.ID, "wrong") }, 401, "invalid_client"},
		"a public client":     {named, func(r *http.Request) { r.SetBasicAuth(d.Public("public").ID, "") }, 401, "invalid_client"},
		"a bearer token":      {named, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client"},
		"two ways at once":    {more(named, doc{"client_id": d.operator.ID, "client_secret": d.operator.Secret}), nil, 400, "one way only"},
		"secret in the body": {more(named, doc{"client_id": d.operator.ID, "client_secret": d.operator.Secret}),
			func(r *http.Request) { r.Header.Del("Authorization") }, 200, `"decision":true`},
	}
	for name, row := range rows {
		a := d.post(path, d.operator, row.body, func(r *http.Request) {
			r.Header.Set("X-Request-ID", "my-own-id")
			if row.edit != nil {
				row.edit(r)
			}
		})
		require.Equal(t, row.status, a.Status, "%s: %s", name, a.Body)
		require.Contains(t, a.Body, row.says, name)
		require.Equal(t, "my-own-id", a.Header.Get("X-Request-ID"), name)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"), name)
		require.Contains(t, a.Header.Get("Content-Type"), "application/json", name)
		require.Equal(t, row.status == 401, a.Header.Get("WWW-Authenticate") != "", name)
		if row.status == http.StatusOK {
			e := d.LastEntry()
			require.Equal(t, e.ID, a.JSON["context"].(doc)["evaluation_id"], "%s: each is in the ledger", name)
			require.Equal(t, a.JSON["decision"], e.Outcome == models.OutcomeGranted, name)
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		req, err := http.NewRequest(method, d.URL+path, strings.NewReader("{}"))
		require.NoError(t, err)
		d.operator.As(req)
		require.Equal(t, http.StatusMethodNotAllowed, d.Send(req).Status, method)
	}
	signer := d.WithKey(d.operator)
	assertion := doc{"client_assertion": d.Assertion(signer, nil), "client_assertion_type": harness.AssertionType}
	a := d.post(path, nil, more(named, assertion), nil)
	require.Equal(t, true, a.JSON["decision"], a.Body)
	a = d.post(path, nil, more(named, assertion), nil)
	require.Equal(t, http.StatusUnauthorized, a.Status, "an assertion is used once: %s", a.Body)

	require.NoError(t, d.Store.Close())
	a = d.post(path, d.operator, named, nil)
	require.Equal(t, http.StatusServiceUnavailable, a.Status, "what cannot be recorded is no decision: %s", a.Body)
	require.Nil(t, a.JSON["decision"])
}
