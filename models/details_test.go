package models_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
)

func TestDetailTypes(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		bank := modelstest.Service(t, s, "bank", "pay", "look")
		view := func() *models.View {
			require.NoError(t, s.Refresh(t.Context()))
			v, err := s.View(t.Context())
			require.NoError(t, err)
			return v
		}
		types := func() map[string]policies.DetailType {
			r, err := view().Resource(t.Context(), bank.ID)
			require.NoError(t, err)
			return r.Value.Types
		}
		require.Nil(t, types())

		d := modelstest.Payment(bank.ID, "pay")
		created, err := s.PutDetailType(t.Context(), by, d)
		require.NoError(t, err)
		require.True(t, created)
		stored, err := s.DetailType(t.Context(), bank.ID, "payment")
		require.NoError(t, err)
		require.Equal(t, d, stored)
		require.Equal(t, map[string]policies.DetailType{"payment": {Scope: "pay", Risk: "low", Narrow: d.Narrow}}, types())

		names, err := view().DetailTypeNames(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"payment"}, names)

		d.Risk = models.RiskHigh
		created, err = s.PutDetailType(t.Context(), by, d)
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, models.RiskHigh, types()["payment"].Risk, "facts follow")

		list, next, err := s.DetailTypes(t.Context(), bank.ID, models.Page{})
		require.NoError(t, err)
		require.Empty(t, next)
		require.Equal(t, []models.DetailType{*d}, list)
		_, _, err = s.DetailTypes(t.Context(), "rsv_none", models.Page{})
		require.ErrorIs(t, err, models.ErrNotFound)

		require.NoError(t, s.DeleteDetailType(t.Context(), by, bank.ID, "payment"))
		require.ErrorIs(t, s.DeleteDetailType(t.Context(), by, bank.ID, "payment"), models.ErrNotFound)
		require.Nil(t, types())
		names, err = view().DetailTypeNames(t.Context())
		require.NoError(t, err)
		require.Empty(t, names)

		modelstest.DetailType(t, s, modelstest.Payment(bank.ID, "pay"))
		require.NoError(t, s.DeleteScope(t.Context(), by, bank.ID, "pay"))
		_, err = s.DetailType(t.Context(), bank.ID, "payment")
		require.ErrorIs(t, err, models.ErrNotFound, "it goes with its scope")
		require.Nil(t, types())
	})
}

func TestDetailTypeFaults(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		bank := modelstest.Service(t, s, "bank", "pay")
		before := size(t, s)
		schema := func(text string) func(*models.DetailType) { return func(d *models.DetailType) { d.Schema = text } }
		closed := `{"type": "object", "additionalProperties": false, "properties": {"payee": `
		deep := strings.Repeat(closed[:len(closed)-10]+`"a": `, 6) + `{"type": "string"}` + strings.Repeat("}}", 6)
		for name, one := range map[string]struct {
			field string
			spoil func(*models.DetailType)
		}{
			"no name":                 {"type", func(d *models.DetailType) { d.Name = "" }},
			"a name with a blank":     {"type", func(d *models.DetailType) { d.Name = "a payment" }},
			"no risk":                 {"risk", func(d *models.DetailType) { d.Risk = "" }},
			"no scope":                {"scope", func(d *models.DetailType) { d.Scope = "" }},
			"a scope that is not":     {"scope", func(d *models.DetailType) { d.Scope = "none" }},
			"Deputy's own":            {"resource_server_id", func(d *models.DetailType) { d.ResourceID = models.SelfID }},
			"no schema":               {"schema", schema("")},
			"two schemas":             {"schema", schema(`{} {}`)},
			"a large schema":          {"schema", schema(`"` + strings.Repeat("x", 17<<10) + `"`)},
			"of no object":            {"schema", schema(`{"type": "string"}`)},
			"open":                    {"schema", schema(`{"type": "object", "properties": {"payee": {"type": "string"}}}`)},
			"open on purpose":         {"schema", schema(`{"type": "object", "additionalProperties": true, "properties": {"payee": {"type": "string"}}}`)},
			"open by a schema":        {"schema", schema(`{"type": "object", "additionalProperties": {"type": "string"}, "properties": {"payee": {"type": "string"}}}`)},
			"open below":              {"schema", schema(closed + `{"type": "object", "properties": {"a": {"type": "string"}}}}}`)},
			"open in a list":          {"schema", schema(closed + `{"type": "array", "items": {"type": "object"}}}}`)},
			"a list of anything":      {"schema", schema(closed + `{"type": "array"}}}`)},
			"anything":                {"schema", schema(closed + `{}}}`)},
			"nothing":                 {"schema", schema(closed + `null}}`)},
			"a fraction":              {"schema", schema(closed + `{"type": "number"}}}`)},
			"several types":           {"schema", schema(closed + `{"type": ["string", "integer"]}}}`)},
			"a reference":             {"schema", schema(closed + `{"$ref": "https://evil.example/schema"}}}`)},
			"a reference of its own":  {"schema", schema(closed + `{"$ref": "#"}}}`)},
			"an alternative":          {"schema", schema(closed + `{"anyOf": [{"type": "string"}]}}}`)},
			"patterns of names":       {"schema", schema(`{"type": "object", "additionalProperties": false, "patternProperties": {"": {}}}`)},
			"no properties":           {"schema", schema(`{"type": "object", "additionalProperties": false}`)},
			"another draft":           {"schema", schema(`{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}`)},
			"a pattern that is none":  {"schema", schema(closed + `{"type": "string", "pattern": "("}}}`)},
			"requires what is not":    {"schema", schema(`{"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"payee": {"type": "string"}}}`)},
			"describes the type":      {"schema", schema(`{"type": "object", "additionalProperties": false, "properties": {"type": {"type": "string"}}}`)},
			"a name in braces":        {"schema", schema(`{"type": "object", "additionalProperties": false, "properties": {"{a}": {"type": "string"}}}`)},
			"too deep":                {"schema", schema(deep)},
			"no template":             {"template", func(d *models.DetailType) { d.Template = nil }},
			"no English":              {"template", func(d *models.DetailType) { d.Template = map[string]string{"de": "Zahlen"} }},
			"no language":             {"template", func(d *models.DetailType) { d.Template["english"] = "Pay" }},
			"a long template":         {"template", func(d *models.DetailType) { d.Template["en"] = strings.Repeat("x", 301) }},
			"of what is not":          {"template", func(d *models.DetailType) { d.Template["en"] = "Pay {sum}" }},
			"of what need not be":     {"template", func(d *models.DetailType) { d.Template["de"] = "Zahlen {purposes}" }},
			"narrows what is not":     {"narrow", func(d *models.DetailType) { d.Narrow["sum"] = "same" }},
			"narrows in no way":       {"narrow", func(d *models.DetailType) { d.Narrow["amount"] = "less" }},
			"at most a list":          {"narrow", func(d *models.DetailType) { d.Narrow["purposes"] = "at_most" }},
			"part of what is no list": {"narrow", func(d *models.DetailType) { d.Narrow["amount"] = "subset" }},
			"narrows the type":        {"narrow", func(d *models.DetailType) { d.Narrow["type"] = "same" }},
			"a format":                {"schema", schema(closed + `{"type": "string", "format": "uri"}}}`)},
		} {
			d := modelstest.Payment(bank.ID, "pay")
			one.spoil(d)
			_, err := s.PutDetailType(t.Context(), by, d)
			var wrong *models.Invalid
			require.ErrorAs(t, err, &wrong, name)
			require.Equal(t, one.field, wrong.Field, "%s: %s", name, wrong.Reason)
		}
		_, err := s.PutDetailType(t.Context(), by, modelstest.Payment("rsv_none", "pay"))
		require.ErrorIs(t, err, models.ErrNotFound)
		require.Equal(t, before, size(t, s), "a refused change leaves no entry")
	})
}

func TestDetailChecks(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		bank := modelstest.Service(t, s, "bank", "pay")
		modelstest.DetailType(t, s, modelstest.Payment(bank.ID, "pay"))
		v, err := s.View(t.Context())
		require.NoError(t, err)
		checks, err := v.DetailChecks(t.Context(), bank.ID)
		require.NoError(t, err)
		for object, wrong := range map[string]string{
			`{"type": "payment", "amount": "50.00", "currency": "EUR", "payee": "Bob"}`:                        "",
			`{"type": "payment", "amount": "50", "currency": "EUR", "payee": "Bob", "purposes": ["rent"]}`:     "",
			`{"type": "payment", "amount": "50", "currency": "EUR"}`:                                           "payee",
			`{"type": "payment", "amount": "50", "currency": "EUR", "payee": "Bob", "fee": 1}`:                 "fee",
			`{"type": "payment", "amount": 50, "currency": "EUR", "payee": "Bob"}`:                             "at /amount: type",
			`{"type": "payment", "amount": "much", "currency": "EUR", "payee": "Bob"}`:                         "at /amount: pattern",
			`{"type": "payment", "amount": "50", "currency": "XXX", "payee": "Bob"}`:                           "at /currency: enum",
			`{"type": "payment", "amount": "50", "currency": "EUR", "payee": "Bob", "purposes": [{"a": "b"}]}`: "at /purposes/0: type",
			`[]`: "is no object",
			`{`:  "is no object",
		} {
			got := checks["payment"].Check(policies.Detail(object))
			if wrong == "" {
				require.Empty(t, got, object)
				continue
			}
			require.Contains(t, got, wrong, object)
		}
	})
}

// A consent is to the details that were shown and ticked, and none comes back.
func TestConsentToDetails(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		x := newSitting(t, s)
		modelstest.DetailType(t, s, modelstest.Payment(x.sales.ID, "sales:list"))
		fifty, ten := policies.Detail(`{"amount":"50","type":"payment"}`), policies.Detail(`{"amount":"10","type":"payment"}`)
		answer := func(shown []policies.Detail, asked []string, ticked []policies.Detail, scopes ...string) *models.Consent {
			t.Helper()
			c := models.Consent{ClientID: x.client.ID, SubjectID: x.user.ID, ResourceID: x.sales.ID, Scopes: scopes, Details: ticked, ExpiresAt: s.Now() + 100}
			v := &models.Visit{ClientID: x.client.ID, Request: models.VisitRequest{Details: shown}}
			require.NoError(t, s.BeginVisit(t.Context(), v))
			again, err := s.Visit(t.Context(), v.ID)
			require.NoError(t, err)
			require.Equal(t, shown, again.Request.Details)
			code := models.Code{Scopes: map[string][]string{x.sales.ID: {"sales:list"}}, Details: map[string][]policies.Detail{x.sales.ID: ticked}}
			raw, err := s.AllowVisit(t.Context(), by, models.Allowed{
				Visit: v.ID, Subject: x.user.ID, Until: s.Now() + 100, Code: code, Given: []models.Given{{Consent: c, Asked: asked, Shown: shown}},
			})
			require.NoError(t, err)
			view, err := s.View(t.Context())
			require.NoError(t, err)
			carried, err := view.ByCode(t.Context(), raw)
			require.NoError(t, err)
			require.Equal(t, code.Details, carried.Code.Details)
			rows, _, err := s.Consents(t.Context(), models.ConsentFilter{SubjectID: x.user.ID, Live: true}, models.Page{})
			require.NoError(t, err)
			require.Len(t, rows, 1)
			require.NoError(t, s.Refresh(t.Context()))
			facts, err := view.ConsentsTo(t.Context(), x.user.ID, x.client.ID)
			require.NoError(t, err)
			require.Len(t, facts, 1)
			require.ElementsMatch(t, rows[0].Details, facts[0].Details)
			return &rows[0]
		}
		list := []string{"sales:list"}
		c := answer([]policies.Detail{fifty}, list, []policies.Detail{fifty}, "sales:list")
		require.Equal(t, []policies.Detail{fifty}, c.Details)
		c = answer([]policies.Detail{ten}, list, []policies.Detail{ten}, "sales:list")
		require.Equal(t, []policies.Detail{ten, fifty}, c.Details, "what was not asked about stays")
		c = answer([]policies.Detail{fifty, ten}, list, []policies.Detail{ten}, "sales:list")
		require.Equal(t, []policies.Detail{ten}, c.Details, "what was shown and not ticked goes")
		c = answer(nil, []string{"sales:read"}, nil, "sales:read")
		require.Equal(t, []policies.Detail{ten}, c.Details)
		require.NoError(t, s.RevokeConsent(t.Context(), by, c.ID, "sales:list"))
		c, err := s.Consent(t.Context(), c.ID)
		require.NoError(t, err)
		require.Empty(t, c.Details, "details end with the scope they are held through")
	})
}

// The record of a token says its details.
func TestTokenRecordsDetails(t *testing.T) {
	t.Parallel()
	modelstest.Each(t, func(t *testing.T, s *models.Store) {
		w := modelstest.NewWorld(t, s, "w")
		ten := []policies.Detail{policies.Detail(`{"amount":"10","type":"payment"}`)}
		tok := modelstest.Issue(t, s, models.Token{
			ID: models.NewID(models.PrefixToken), ClientID: w.Agent.ID, SubjectID: w.Agent.ID, GrantID: w.Agent.SelfGrantID, ResourceID: w.Service.ID, Scopes: []string{"read"}, Details: ten,
		})
		row, err := s.Token(t.Context(), tok.ID)
		require.NoError(t, err)
		require.Equal(t, ten, row.Details)
		bare := modelstest.Issue(t, s, models.Token{ID: models.NewID(models.PrefixToken), ClientID: w.Agent.ID, SubjectID: w.Agent.ID, GrantID: w.Agent.SelfGrantID, ResourceID: w.Service.ID})
		row, err = s.Token(t.Context(), bare.ID)
		require.NoError(t, err)
		require.Empty(t, row.Details)
	})
}
