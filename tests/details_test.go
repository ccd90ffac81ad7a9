package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/tests/harness"
)

// A bank is a visit to a service that pays: through its scope work:do, payments.
type bank struct {
	*visit
	teller *harness.Client // is the service
}

func eachBank(t *testing.T, test func(t *testing.T, b *bank)) {
	eachVisit(t, func(t *testing.T, v *visit) {
		b := &bank{visit: v, teller: v.Agent("teller", v.User("banker"))}
		v.Allow(b.teller.ID, v.service, workScopes...)
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateResourceServer(ctx, by, v.service.ID, models.AnyVersion, func(r *models.ResourceServer) { r.OperatorID = &b.teller.ID })
			return err
		})
		b.register(nil)
		test(t, b)
	})
}

// register says what payments are like at the bank.
func (b *bank) register(edit func(*models.DetailType)) {
	b.TB.Helper()
	d := modelstest.Payment(b.service.ID, "work:do")
	if edit != nil {
		edit(d)
	}
	b.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.PutDetailType(ctx, by, d)
		return err
	})
}

func pay(amount, payee string, purposes ...string) map[string]any {
	d := map[string]any{"type": "payment", "amount": amount, "currency": "EUR", "payee": payee}
	if len(purposes) > 0 {
		d["purposes"] = purposes
	}
	return d
}

func asked(details ...map[string]any) url.Values {
	body, _ := json.Marshal(details)
	return url.Values{"authorization_details": {string(body)}}
}

// with adds details to a token request.
func with(form url.Values, details ...map[string]any) url.Values {
	form["authorization_details"] = asked(details...)["authorization_details"]
	return form
}

// said are the details of an answer or of claims.
func said(t *testing.T, v any) []map[string]any {
	t.Helper()
	body, err := json.Marshal(v)
	require.NoError(t, err)
	var out []map[string]any
	require.NoError(t, json.Unmarshal(body, &out))
	return out
}

func sameDetails(t *testing.T, want []map[string]any, got any) {
	t.Helper()
	body, err := json.Marshal(want)
	require.NoError(t, err)
	gotBody, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(body), string(gotBody))
}

var detailTick = regexp.MustCompile(`name="detail" value="([^"]+)"( checked)?`)

// allow has alice allow what is asked, with the details at some places.
func (b *bank) allow(details url.Values, places ...int) (code string) {
	b.TB.Helper()
	q := b.asks(details)
	form := q.Form("allow", q.Scopes...)
	for _, place := range places {
		form.Add("detail", b.service.ID+" "+strconv.Itoa(place))
	}
	return b.b.Back(b.b.Post("/consent", form)).Get("code")
}

// carries expects a token with details, everywhere that it says them, and gives it back.
func (b *bank) carries(t *testing.T, a harness.Answer, want ...map[string]any) (access, refresh string) {
	t.Helper()
	access, refresh = b.must(a)
	sameDetails(t, want, a.JSON["authorization_details"])
	_, claims := claimsOf(t, access)
	sameDetails(t, want, claims["authorization_details"])
	seen := b.Form("/oauth2/introspect", b.teller, url.Values{"token": {access}})
	require.Equal(t, true, seen.JSON["active"], seen.Body)
	sameDetails(t, want, seen.JSON["authorization_details"])
	row := b.mustToken(claims["jti"].(string))
	sameDetails(t, want, row.Details)
	e, err := b.Store.EntryByID(context.Background(), row.DecisionID)
	require.NoError(t, err)
	var kept struct {
		Decision struct{ Details []map[string]any }
	}
	require.NoError(t, json.Unmarshal([]byte(e.Detail), &kept))
	sameDetails(t, want, kept.Decision.Details)
	return access, refresh
}

func (b *bank) refused(t *testing.T, a harness.Answer, code, reason string) {
	t.Helper()
	require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
	require.Equal(t, code, a.String("error"), a.Body)
	require.Empty(t, a.String("access_token"))
	if reason != "" {
		e, err := b.Store.EntryByID(context.Background(), a.String("decision_id"))
		require.NoError(t, err)
		require.Contains(t, reasonsOf(t, *e), reason)
	}
}

func TestDetails_APaymentIsConsentedAndOnlyNarrowed(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		fifty := pay("50.00", "Bob <b>", "rent", "food")
		q := b.asks(asked(fifty))
		require.Contains(t, q.Body, "Pay <strong><bdi>50.00</bdi></strong> <strong><bdi>EUR</bdi></strong> to <strong><bdi>Bob &lt;b&gt;</bdi></strong>")
		require.Contains(t, q.Body, "<dt>Amount</dt><dd><bdi>50.00</bdi></dd>")
		require.Contains(t, q.Body, "<dt>purposes</dt><dd><bdi>rent, food</bdi></dd>")
		ticks := detailTick.FindAllStringSubmatch(q.Body, -1)
		require.Len(t, ticks, 1)
		require.Equal(t, []string{b.service.ID + " 0", " checked"}, ticks[0][1:])
		form := q.Form("allow", b.pair("work:do"))
		form.Set("detail", ticks[0][1])
		code := b.b.Back(b.b.Post("/consent", form)).Get("code")

		access, refresh := b.carries(t, b.token(harness.CodeForm(code)), fifty)
		twenty := pay("20", "Bob <b>", "rent")
		for _, more := range []map[string]any{pay("50.01", "Bob <b>", "rent"), pay("51", "Bob <b>", "rent", "food"), pay("20", "Eve", "rent"), pay("20", "Bob <b>"), pay("20", "Bob <b>", "fun")} {
			b.refused(t, b.token(with(harness.RefreshForm(refresh), more)), "invalid_authorization_details", "details_not_covered")
		}
		_, refresh = b.carries(t, b.token(with(harness.RefreshForm(refresh), twenty)), twenty)
		_, refresh = b.carries(t, b.token(with(harness.RefreshForm(refresh), pay("51", "Bob <b>"), twenty)), twenty)
		_, refresh = b.carries(t, b.token(harness.RefreshForm(refresh)), fifty)

		exchange := func(as *harness.Client, token string, details ...map[string]any) harness.Answer {
			form := harness.ExchangeForm(token, b.service.Identifier, "work:do")
			if len(details) > 0 {
				form = with(form, details...)
			}
			return b.Form("/oauth2/token", as, form)
		}
		b.carries(t, exchange(b.teller, access), fifty)
		child, _ := b.carries(t, exchange(b.teller, access, twenty), twenty)
		b.carries(t, exchange(b.teller, child), twenty)
		b.carries(t, exchange(b.teller, child, pay("5", "Bob <b>", "rent")), pay("5", "Bob <b>", "rent"))
		b.refused(t, exchange(b.teller, child, fifty), "invalid_authorization_details", "details_not_covered")
		b.refused(t, exchange(b.teller, child, pay("20.01", "Bob <b>", "rent")), "invalid_authorization_details", "details_not_covered")

		// What alice takes back is gone, from live tokens too, and does not come back with the scope.
		consents, _, err := b.Store.Consents(context.Background(), models.ConsentFilter{}, models.Page{})
		require.NoError(t, err)
		require.Len(t, consents, 1)
		b.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeConsent(ctx, by, consents[0].ID, "")
		})
		require.False(t, b.Active(b.teller, access))
		require.False(t, b.Active(b.teller, child))
		b.mustNotAny(t, b.token(harness.RefreshForm(refresh)))
	})
}

func (b *bank) mustNotAny(t *testing.T, a harness.Answer) {
	t.Helper()
	require.Equal(t, http.StatusBadRequest, a.Status, a.Body)
	require.Empty(t, a.String("access_token"))
}

func TestDetails_WhatIsNotTickedIsNotGranted(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		small, large := pay("5", "Bob"), pay("500", "Eve")
		code := b.allow(asked(small, large), 0)
		a := b.token(harness.CodeForm(code))
		_, refresh := b.carries(t, a, small)
		require.Equal(t, "work:do work:undo", a.String("scope"))
		b.refused(t, b.token(with(harness.RefreshForm(refresh), large)), "invalid_authorization_details", "details_not_covered")

		// The scope falls with all of its details, and they with it.
		q := b.b.Question(b.b.Follow(b.b.Authorize(b.query(asked(large)))))
		code = b.b.Back(b.b.Post("/consent", q.Form("allow", q.Scopes...))).Get("code")
		a = b.token(harness.CodeForm(code))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.Equal(t, "work:undo", a.String("scope"))
		require.NotContains(t, a.JSON, "authorization_details")

		// What is covered by a consent is not asked for again.
		back := b.b.Back(b.b.Authorize(b.query(asked(pay("4.99", "Bob")))))
		b.carries(t, b.token(harness.CodeForm(back.Get("code"))), pay("4.99", "Bob"))

		// Nobody ticks what was not on the page.
		q = b.b.Question(b.b.Follow(b.b.Authorize(b.query(asked(large)))))
		form := q.Form("allow", q.Scopes...)
		form.Set("detail", b.service.ID+" 1")
		again := b.b.Post("/consent", form)
		require.Equal(t, http.StatusUnprocessableEntity, again.Status, again.Body)
		for _, bad := range []string{"0", b.service.ID, b.service.ID + " x", "usr_1 0", b.service.ID + " -1"} {
			form.Set("detail", bad)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, b.b.Post("/consent", form).Status, bad)
		}
	})
}

// Each way of asking refuses each way of asking wrong.
func TestDetails_Refusals(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		code := b.allow(asked(pay("50", "Bob")), 0)
		access, refresh := b.must(b.token(harness.CodeForm(code)))
		ways := map[string]func(details string) harness.Answer{
			"client_credentials": func(details string) harness.Answer {
				form := harness.OwnForm(b.service.Identifier, "work:do")
				form.Set("authorization_details", details)
				return b.Form("/oauth2/token", b.teller, form)
			},
			"exchange": func(details string) harness.Answer {
				form := harness.ExchangeForm(access, b.service.Identifier, "work:do")
				form.Set("authorization_details", details)
				return b.Form("/oauth2/token", b.teller, form)
			},
			"refresh": func(details string) harness.Answer {
				form := harness.RefreshForm(refresh)
				form.Set("authorization_details", details)
				return b.token(form)
			},
			"code": func(details string) harness.Answer {
				form := harness.CodeForm(b.Grant(b.user, b.agent, map[string][]string{b.service.ID: workScopes}, nil).Code)
				form.Set("authorization_details", details)
				return b.token(form)
			},
			"pushed": func(details string) harness.Answer {
				return b.Form("/oauth2/par", b.agent, b.query(url.Values{"authorization_details": {details}}))
			},
		}
		whole := `{"type":"payment","amount":"5","currency":"EUR","payee":"Bob"`
		for how, ask := range ways {
			for name, one := range map[string]struct{ details, reason string }{
				"no list":               {whole + "}", "details_malformed"},
				"twice the same member": {"[" + whole + `,"payee":"Eve"}]`, "details_malformed"},
				"a fraction":            {"[" + whole + `,"fee":1.5}]`, "details_malformed"},
				"an unknown type":       {`[{"type":"transfer"}]`, "details_type_unknown"},
				"an unknown field":      {"[" + whole + `,"fee":1}]`, "details_mismatch"},
				"a field that lacks":    {`[{"type":"payment","amount":"5"}]`, "details_mismatch"},
				"a field of another type": {
					`[{"type":"payment","amount":5,"currency":"EUR","payee":"Bob"}]`, "details_mismatch",
				},
			} {
				a := ask(one.details)
				b.refused(t, a, "invalid_authorization_details", one.reason)
				require.Equal(t, "invalid_authorization_details", a.String("error"), "%s: %s", how, name)
			}
		}
		b.carries(t, b.token(harness.RefreshForm(refresh)), pay("50", "Bob"))
	})
}

func TestDetails_AnAgentAsksForItselfThroughItsScope(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		own := func(scope string) harness.Answer {
			return b.Form("/oauth2/token", b.teller, with(harness.OwnForm(b.service.Identifier, scope), pay("5", "Bob")))
		}
		b.carries(t, own("work:do"), pay("5", "Bob"))
		b.refused(t, own("work:undo"), "invalid_authorization_details", "details_scope_missing")

		// Of a type that is gone nobody can say what a token is worth.
		access, _ := b.must(own("work:do"))
		b.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.DeleteDetailType(ctx, by, b.service.ID, "payment")
		})
		require.False(t, b.Active(b.teller, access))
		b.refused(t, own("work:do"), "invalid_authorization_details", "details_type_unknown")
	})
}

func TestDetails_WhatIsForOneServiceGoesToNoOther(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		other := b.Service("archive", nil, "keep")
		b.Allow(b.teller.ID, other, "keep")
		b.Scope(b.service, "work:do", models.ScopeRef{ResourceID: other.ID, Name: "keep"})
		b.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.PutDetailType(ctx, by, modelstest.Payment(other.ID, "keep"))
			return err
		})
		access, _ := b.must(b.Form("/oauth2/token", b.teller, with(harness.OwnForm(b.service.Identifier, "work:do"), pay("5", "Bob"))))
		a := b.Form("/oauth2/token", b.teller, harness.ExchangeForm(access, other.Identifier, "keep"))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.NotContains(t, a.JSON, "authorization_details")
		a = b.Form("/oauth2/token", b.teller, with(harness.ExchangeForm(access, other.Identifier, "keep"), pay("5", "Bob")))
		b.refused(t, a, "invalid_authorization_details", "details_not_covered")
	})
}

func TestDetails_WhatIsRiskyIsAllowedForOnce(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		b.register(func(d *models.DetailType) { d.Risk = models.RiskHigh })
		code := b.allow(asked(pay("50", "Bob")), 0)
		_, refresh := b.carries(t, b.token(harness.CodeForm(code)), pay("50", "Bob"))
		a := b.token(harness.RefreshForm(refresh))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.Equal(t, "work:undo", a.String("scope"), "a refresh brings no approval with it")
		require.NotContains(t, a.JSON, "authorization_details")
		b.b.Question(b.b.Follow(b.b.Authorize(b.query(asked(pay("50", "Bob")))))) // asks again
	})
}

func TestDetails_AreToldInMetadata(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
			a := b.b.Get(path)
			require.Contains(t, a.Body, `"authorization_details_types_supported":["payment"]`)
		}
		b.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.DeleteDetailType(ctx, by, b.service.ID, "payment")
		})
		require.NotContains(t, b.b.Get("/.well-known/oauth-authorization-server").Body, "authorization_details_types_supported")
	})
}

// Through whatever exchanges, details only narrow.
func TestDetails_OnlyNarrowThroughExchanges(t *testing.T) {
	eachBank(t, func(t *testing.T, b *bank) {
		r := rand.New(rand.NewPCG(5, 9396))
		object := func() map[string]any {
			var purposes []string
			for _, p := range []string{"rent", "food", "fun"} {
				if r.IntN(2) == 0 {
					purposes = append(purposes, p)
				}
			}
			return pay(fmt.Sprintf("%d.%02d", r.IntN(4), r.IntN(3)), []string{"Bob", "Eve"}[r.IntN(2)], purposes...)
		}
		granted, refused := 0, 0
		for range 6 {
			has := []map[string]any{object(), object()}
			token, _ := b.must(b.Form("/oauth2/token", b.teller, with(harness.OwnForm(b.service.Identifier, "work:do"), has...)))
			for range 12 {
				wants := []map[string]any{object()}
				a := b.Form("/oauth2/token", b.teller, with(harness.ExchangeForm(token, b.service.Identifier, "work:do"), wants...))
				covered := slices.ContainsFunc(has, func(by map[string]any) bool { return covers(wants[0], by) })
				require.Equal(t, covered, a.Status == http.StatusOK, "%v of %v: %s", wants, has, a.Body)
				if !covered {
					refused++
					continue
				}
				granted++
				token, _ = b.must(a)
				has = said(t, a.JSON["authorization_details"])
				sameDetails(t, wants, has)
			}
		}
		require.NotZero(t, granted)
		require.NotZero(t, refused)
	})
}

// covers is what narrowing means for payments, written down once more.
func covers(d, by map[string]any) bool {
	less := func(a, b any) bool {
		x, _ := strconv.ParseFloat(a.(string), 64)
		y, _ := strconv.ParseFloat(b.(string), 64)
		return x <= y
	}
	list := func(v any) (out []string) {
		switch v := v.(type) {
		case []string:
			return v
		case []any:
			for _, one := range v {
				out = append(out, one.(string))
			}
		}
		return out
	}
	some, all := list(d["purposes"]), list(by["purposes"])
	return d["payee"] == by["payee"] && less(d["amount"], by["amount"]) && (len(some) == 0) == (len(all) == 0) &&
		!slices.ContainsFunc(some, func(p string) bool { return !slices.Contains(all, p) })
}

// Whoever is elsewhere approves an object as it is, and that is what the token says.
func TestDetails_AreApprovedElsewhere(t *testing.T) {
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		b := &bank{visit: &visit{sitting: s.sitting}, teller: s.agent}
		b.register(func(d *models.DetailType) { d.Risk = models.RiskHigh })
		ask := func(details ...map[string]any) (string, models.Approval) {
			return s.AskUser(s.agent, with(harness.AskForm(s.user, s.service, "work:do work:undo"), details...))
		}
		answer := func(id string, details ...int) {
			a := &policies.Answer{Until: s.Clock.Now().Unix() + 3600}
			for _, scope := range workScopes {
				a.Scopes = append(a.Scopes, policies.Grants{Resource: s.service.ID, Scope: scope})
			}
			for _, place := range details {
				a.Details = append(a.Details, policies.GrantedDetail{Resource: s.service.ID, Index: place})
			}
			out, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, id, s.person, a, false)
			require.NoError(t, err)
			require.Equal(t, models.ApprovalApproved, out.State, "%+v", out)
		}
		secret, approval := ask(pay("50", "Bob"), pay("5", "Eve"))
		sameDetails(t, []map[string]any{pay("50", "Bob"), pay("5", "Eve")}, approval.Request.Details)
		shown, err := s.Endpoint.Approval(context.Background(), grants.Call{}, approval.ID, s.person)
		require.NoError(t, err)
		require.Len(t, shown.Asked.DetailOffers, 2)
		answer(approval.ID, 0)
		b.refused(t, s.token(with(harness.PollForm(secret), pay("51", "Bob"))), "invalid_authorization_details", "details_not_covered")
		b.carries(t, s.token(harness.PollForm(secret)), pay("50", "Bob"))

		// It counts for nothing else, and nothing without a tick.
		secret, approval = ask(pay("50", "Bob"))
		answer(approval.ID)
		a := s.token(harness.PollForm(secret))
		require.Equal(t, "work:undo", a.String("scope"), a.Body)
		require.NotContains(t, a.JSON, "authorization_details")

		bad := s.Form("/oauth2/bc-authorize", s.agent, with(harness.AskForm(s.user, s.service, "work:do"), map[string]any{"type": "transfer"}))
		b.refused(t, bad, "invalid_authorization_details", "details_type_unknown")
		bad = s.Form("/oauth2/device_authorization", s.agent, with(url.Values{"resource": {s.service.Identifier}, "scope": {"work:do"}}, map[string]any{"type": "payment"}))
		b.refused(t, bad, "invalid_authorization_details", "details_mismatch")
	})
}
