package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

// A visit is a sitting in which the user is at a browser.
type visit struct {
	*sitting
	b *harness.Browser
}

// eachVisit runs a test on both databases: alice may do and undo work, and so may
// her assistant.
func eachVisit(t *testing.T, test func(t *testing.T, v *visit)) {
	t.Parallel()
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := &sitting{Server: harness.New(t, dialect, harness.Options{})}
			s.user = s.Person("alice")
			s.agent = s.ForPeople(s.Agent("assistant", s.User("owner")))
			s.service = s.Service("service", s.agent, workScopes...)
			s.Allow(s.agent.ID, s.service, workScopes...)
			s.Allow(s.user.ID, s.service, workScopes...)
			test(t, &visit{s, s.Browser()})
		})
	}
}

func (v *visit) query(more url.Values) url.Values {
	return v.Query(v.agent, v.service, "work:do work:undo", more)
}

// asks brings alice, who signs in, to the page that asks her.
func (v *visit) asks(more url.Values) harness.Question {
	v.TB.Helper()
	a := v.b.Authorize(v.query(more))
	require.Equal(v.TB, http.StatusSeeOther, a.Status, a.Body)
	return v.b.Question(v.b.Follow(v.signIn(a)))
}

// signIn signs alice in where she is asked to.
func (v *visit) signIn(a harness.Answer) harness.Answer {
	v.TB.Helper()
	to := a.Header.Get("Location")
	if !strings.Contains(to, "/login?return=") {
		return a
	}
	id := to[strings.Index(to, "atz_"):]
	a = v.b.Post("/login", url.Values{"username": {"alice"}, "password": {harness.Password}, "return": {id}})
	require.Equal(v.TB, http.StatusSeeOther, a.Status, a.Body)
	return a
}

func (v *visit) pair(scope string) string { return v.service.ID + " " + scope }

func TestVisit_ConsentInPartGivesATokenForThatPart(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		require.Equal(t, []string{v.pair("work:do"), v.pair("work:undo")}, q.Scopes)
		require.Equal(t, q.Scopes, q.Ticked)
		require.Contains(t, q.Body, "assistant")
		require.Contains(t, q.Body, "owner")
		require.Contains(t, q.Body, "client.example")

		back := v.b.Back(v.b.Post("/consent", q.Form("allow", v.pair("work:do"))))
		require.Equal(t, []string{"state-1"}, back["state"])
		a := v.token(harness.CodeForm(back.Get("code")))
		access, refresh := v.must(a)
		require.Equal(t, "work:do", a.String("scope"))
		require.NotEmpty(t, refresh)
		row := v.Form("/oauth2/introspect", v.agent, url.Values{"token": {access}})
		require.Equal(t, true, row.JSON["active"], row.Body)
		require.Equal(t, v.user.ID, row.String("sub"))
		require.Equal(t, map[string]any{"sub": v.agent.ID, "sub_profile": "ai_agent"}, row.JSON["act"])

		// Asked for the same again, nobody is; asked for more, that is offered beside it.
		again := v.b.Back(v.b.Authorize(v.query(url.Values{"scope": {"work:do"}})))
		require.NotEmpty(t, again.Get("code"))
		more := v.b.Question(v.b.Follow(v.b.Authorize(v.query(nil))))
		require.Contains(t, more.Body, "You allowed this before")
	})
}

func TestVisit_DenyGivesNothing(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		back := v.b.Back(v.b.Post("/consent", q.Form("deny", v.pair("work:do"))))
		require.Equal(t, "access_denied", back.Get("error"))
		require.Equal(t, "state-1", back.Get("state"))
		require.Empty(t, back.Get("code"))
		consents, _, err := v.Store.Consents(context.Background(), models.ConsentFilter{}, models.Page{})
		require.NoError(t, err)
		require.Empty(t, consents)
		e := v.LastEntry()
		require.Equal(t, []string{"consent", "refused", v.user.ID, v.agent.ID}, []string{e.Action, e.Outcome, e.SubjectID, e.ClientID})
		require.Equal(t, http.StatusNotFound, v.b.Post("/consent", q.Form("allow", v.pair("work:do"))).Status, "no means no")
	})
}

func TestVisit_IsAnsweredOnce(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		form := q.Form("allow", v.pair("work:do"))
		codes := 0
		for _, a := range harness.Parallel(20, func(int) harness.Answer { return v.b.Post("/consent", form) }) {
			if a.Status == http.StatusOK {
				require.NotEmpty(t, v.b.Back(a).Get("code"))
				codes++
			} else {
				require.Equal(t, http.StatusNotFound, a.Status, a.Body)
			}
		}
		require.Equal(t, 1, codes)
		require.Equal(t, http.StatusNotFound, v.b.Get("/oauth2/authorize/"+q.ID).Status)
	})
}

func TestVisit_AnswersThatDoNotCount(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		ask := func(form url.Values, status int, words string) {
			t.Helper()
			a := v.b.Post("/consent", form)
			require.Equal(t, status, a.Status, a.Body)
			require.Contains(t, a.Body, words)
		}
		ask(q.Form("allow"), http.StatusUnprocessableEntity, "Nothing is ticked")
		ask(q.Form("allow", v.pair("work:steal")), http.StatusUnprocessableEntity, "no longer on offer")
		ask(q.Form("allow", "rsv_deputy users:write"), http.StatusUnprocessableEntity, "no longer on offer")
		late := q.Form("allow", v.pair("work:do"))
		late.Set("until", "253402300799")
		ask(late, http.StatusUnprocessableEntity, "no longer on offer")
		late.Set("until", "1")
		ask(late, http.StatusUnprocessableEntity, "no longer on offer")
		for _, broken := range []url.Values{
			{"authorization": {q.ID}}, {"authorization": {q.ID}, "answer": {"maybe"}}, {"answer": {"deny"}},
			{"authorization": {q.ID}, "answer": {"allow"}, "scope": {"nothing"}, "until": {"1"}},
			{"authorization": {q.ID}, "answer": {"allow"}, "scope": {v.pair("work:do")}, "until": {"soon"}},
			{"authorization": {"atz_'; drop"}, "answer": {"allow"}},
		} {
			ask(broken, http.StatusBadRequest, "not complete")
		}
		require.NotEmpty(t, v.b.Back(v.b.Post("/consent", q.Form("allow", v.pair("work:do")))).Get("code"), "and what counts still does")
	})
}

// A page that was shown to one person is not answered by another, nor by nobody.
func TestVisit_BelongsToWhoWasAsked(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		form := q.Form("allow", v.pair("work:do"))
		mallory := v.Person("mallory")
		v.Allow(mallory.ID, v.service, workScopes...)
		other := v.Browser()
		a := other.Post("/consent", form)
		require.Equal(t, http.StatusSeeOther, a.Status)
		require.Contains(t, a.Header.Get("Location"), "/login?return="+q.ID)
		other.SignIn("mallory", harness.Password)
		a = other.Post("/consent", form)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, "mallory is asked herself")
		require.Contains(t, a.Body, "mallory")
		consents, _, err := v.Store.Consents(context.Background(), models.ConsentFilter{}, models.Page{})
		require.NoError(t, err)
		require.Empty(t, consents)
		a = v.b.Post("/consent", form)
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, "and alice anew")
		v.b.Header.Set("Origin", "https://evil.example")
		v.b.Header.Set("Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, v.b.Post("/consent", form).Status)
	})
}

func TestVisit_WhatChangesMeanwhileCounts(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendClient(ctx, by, v.agent.ID)
			return err
		})
		back := v.b.Back(v.b.Post("/consent", q.Form("allow", v.pair("work:do"))))
		require.Equal(t, "unauthorized_client", back.Get("error"))
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.RestoreClient(ctx, by, v.agent.ID)
			return err
		})

		q = v.b.Question(v.b.Follow(v.b.Authorize(v.query(nil))))
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.SuspendUser(ctx, by, v.user.ID)
			return err
		})
		a := v.b.Post("/consent", q.Form("allow", v.pair("work:do")))
		require.Equal(t, http.StatusSeeOther, a.Status, "whoever is suspended is signed out")
		require.Contains(t, a.Header.Get("Location"), "/login?return=")
	})
}

func TestVisit_RedirectsThatChangeMeanwhile(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.UpdateClient(ctx, by, v.agent.ID, models.AnyVersion, func(c *models.Client) { c.RedirectURIs = []string{"https://other.example/"} })
			return err
		})
		a := v.b.Post("/consent", q.Form("allow", v.pair("work:do")))
		require.Equal(t, http.StatusBadRequest, a.Status)
		require.Contains(t, a.Body, "The way back does not match")
		require.NotContains(t, a.Body, "url=")
	})
}

func TestVisit_UntilIsChosen(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(nil)
		form := q.Form("allow", v.pair("work:do"))
		form.Set("until", q.Until[0])
		code := v.b.Back(v.b.Post("/consent", form)).Get("code")
		_, refresh := v.must(v.token(harness.CodeForm(code)))
		v.Clock.Advance(24*time.Hour + time.Second)
		v.mustNot(v.token(harness.RefreshForm(refresh)), "authorization_expired")
	})
}

// What must not be told by a redirect is told to whoever is there, and nobody is sent
// where nobody registered.
func TestVisit_NoOpenRedirect(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.b.SignIn("alice", harness.Password)
		for _, uri := range []string{
			"https://evil.example/", "https://client.example@evil.example/callback", "https://client.example/callback/", "https://client.example/callback?x=1",
			"https://client.example/CALLBACK", "https://client.example/%63allback", "https://client.example/..;/callback", "https://client.example\\@evil.example/callback",
			"https://client.example:443/callback", "http://client.example/callback", "https://client.example/callback#f", "//client.example/callback",
			"javascript:alert(1)", "https://localhost.evil/callback", "http://localhost:80/callback", " https://client.example/callback", "https://client.example./callback",
		} {
			for _, more := range []url.Values{{"redirect_uri": {uri}}, {"redirect_uri": {uri}, "scope": {"\x01"}}, {"redirect_uri": {uri}, "prompt": {"none"}}} {
				a := v.b.Authorize(v.query(more))
				require.Equal(t, http.StatusBadRequest, a.Status, uri)
				require.Empty(t, a.Header.Get("Location"), uri)
				require.NotContains(t, a.Body, `http-equiv="refresh"`)
			}
		}
		for _, client := range []string{"agt_nobody", "", "'"} {
			a := v.b.Authorize(v.query(url.Values{"client_id": {client}}))
			require.Contains(t, []int{http.StatusBadRequest, http.StatusTooManyRequests}, a.Status, client)
			require.Empty(t, a.Header.Get("Location"))
		}
	})
}

// What the client did wrong it is told, with state and issuer.
func TestVisit_ErrorsForTheClient(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.b.SignIn("alice", harness.Password)
		for _, row := range []struct {
			more url.Values
			code string
		}{
			{url.Values{"response_type": {"token"}}, "unsupported_response_type"},
			{url.Values{"response_type": {}}, "invalid_request"},
			{url.Values{"code_challenge": {}, "code_challenge_method": {}}, "invalid_request"},
			{url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
			{url.Values{"code_challenge_method": {}}, "invalid_request"},
			{url.Values{"scope": {"work:unheard"}}, "invalid_scope"},
			{url.Values{"resource": {"https://nowhere.example"}}, "invalid_target"},
			{url.Values{"prompt": {"none"}}, "consent_required"},
			{url.Values{"prompt": {"none login"}}, "invalid_request"},
			{url.Values{"request": {"e30."}}, "request_not_supported"},
			{url.Values{"request": {"e30."}, "request_uri": {"x"}}, "request_not_supported"},
			{url.Values{"request_uri": {"x"}}, "request_uri_not_supported"},
			{url.Values{"request_uri": {"https://client.example/request.jwt"}}, "request_uri_not_supported"},
			{url.Values{"registration": {`{"client_name":"x"}`}}, "registration_not_supported"},
			{url.Values{"response_mode": {"fragment"}}, "invalid_request"},
			{url.Values{"max_age": {"-1"}}, "invalid_request"},
		} {
			back := v.b.Back(v.b.Authorize(v.query(row.more)))
			require.Equal(t, row.code, back.Get("error"), row.more)
			require.Equal(t, "state-1", back.Get("state"))
			require.Empty(t, back.Get("code"))
		}
		back := v.Browser().Back(v.Browser().Authorize(v.query(url.Values{"prompt": {"none"}})))
		require.Equal(t, "login_required", back.Get("error"))
	})
}

func TestVisit_SignsInAnewWhereAsked(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.b.SignIn("alice", harness.Password)
		v.Clock.Advance(10 * time.Minute)
		for _, more := range []url.Values{{"prompt": {"login"}}, {"max_age": {"60"}}, {"max_age": {"0"}}, {"prompt": {"select_account"}}} {
			a := v.b.Authorize(v.query(more))
			require.Contains(t, a.Header.Get("Location"), "/login?return=", more)
			v.Clock.Advance(time.Second)
			v.b.Question(v.b.Follow(v.signIn(a)))
			v.Clock.Advance(10 * time.Minute)
		}
		a := v.b.Follow(v.b.Authorize(v.query(url.Values{"max_age": {"3600"}})))
		require.NotEmpty(t, v.b.Question(a).ID, "ten minutes are less than an hour")

		a = v.b.Authorize(v.query(url.Values{"acr_values": {"2"}}))
		require.Contains(t, a.Header.Get("Location"), "/login?return=")
		v.Clock.Advance(time.Second)
		back := v.b.Back(v.b.Follow(v.signIn(a)))
		require.Equal(t, "unmet_authentication_requirements", back.Get("error"), "a password is one factor")
	})
}

func TestVisit_Pushed(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		push := func(more url.Values) harness.Answer {
			q := v.query(more)
			q.Del("client_id")
			return v.Form("/oauth2/par", v.agent, q)
		}
		a := push(nil)
		require.Equal(t, http.StatusCreated, a.Status, a.Body)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		require.EqualValues(t, 120, a.JSON["expires_in"])
		uri := a.String("request_uri")
		require.True(t, strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:dpt_par_"), uri)

		v.b.SignIn("alice", harness.Password)
		go_ := func(client, uri string) harness.Answer {
			return v.b.Authorize(url.Values{"client_id": {client}, "request_uri": {uri}, "scope": {"nothing else counts"}})
		}
		other := v.ForPeople(v.Agent("other", v.User("other-owner")))
		require.Contains(t, go_(other.ID, uri).Body, "expired")
		last := map[bool]string{false: "A", true: "B"}[strings.HasSuffix(uri, "A")]
		require.Contains(t, go_(v.agent.ID, uri[:len(uri)-1]+last).Body, "expired")
		q := v.b.Question(v.b.Follow(go_(v.agent.ID, uri)))
		require.Equal(t, q.ID, v.b.Question(v.b.Follow(go_(v.agent.ID, uri))).ID, "a page is loaded twice")
		code := v.b.Back(v.b.Post("/consent", q.Form("allow", v.pair("work:do")))).Get("code")
		v.must(v.token(harness.CodeForm(code)))
		require.Contains(t, go_(v.agent.ID, uri).Body, "expired", "but answered once")

		late := push(nil).String("request_uri")
		v.Clock.Advance(121 * time.Second)
		require.Contains(t, go_(v.agent.ID, late).Body, "expired")

		for code, more := range map[string]url.Values{
			"invalid_scope": {"scope": {"work:unheard"}}, "invalid_target": {"resource": {"https://nowhere.example"}}, "invalid_request": {"redirect_uri": {"https://evil.example/"}},
			"unsupported_response_type": {"response_type": {"token"}},
		} {
			a := push(more)
			require.Equal(t, http.StatusBadRequest, a.Status)
			require.Equal(t, code, a.String("error"), a.Body)
		}
		require.Equal(t, "invalid_request", push(url.Values{"request_uri": {uri}}).String("error"))
		require.Equal(t, http.StatusCreated, push(url.Values{"prompt": {"none"}}).Status, "nobody is there yet to be prompted")
		wrong := *v.agent
		wrong.Secret = "dpt_sec_wrong"
		require.Equal(t, http.StatusUnauthorized, v.Form("/oauth2/par", &wrong, v.query(nil)).Status)
	})
}

// OpenID Connect Core section 3.1.2.1 has the endpoint take a form as well.
func TestVisit_ByPost(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.b.SignIn("alice", harness.Password)
		v.b.Header.Set("Origin", "https://client.example")
		v.b.Header.Set("Sec-Fetch-Site", "cross-site")
		a := v.b.Post("/oauth2/authorize", v.query(nil))
		v.b.Header = http.Header{}
		require.Equal(t, http.StatusSeeOther, a.Status, a.Body)
		require.NotEmpty(t, v.b.Question(v.b.Follow(a)).ID)
	})
}

func TestVisit_SpeaksTheLanguageThatIsAskedFor(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		q := v.asks(url.Values{"ui_locales": {"de-CH fr"}})
		require.Contains(t, q.Body, `<html lang="de">`)
	})
}

// Whoever has not signed in writes rows, so that there is a bound, at every door. It
// holds back nobody else: not who has signed in, nor the client that is named.
func TestVisit_StrangersAreBounded(t *testing.T) {
	config := limits.Defaults()
	s := &sitting{Server: harness.New(t, "sqlite", harness.Options{Limits: &config})}
	s.Clock.Stop()
	s.user = s.Person("alice")
	s.agent = s.ForPeople(s.Agent("assistant", s.User("owner")))
	s.service = s.Service("service", s.agent, workScopes...)
	s.Allow(s.agent.ID, s.service, workScopes...)
	s.Allow(s.user.ID, s.service, workScopes...)
	v := &visit{s, s.Browser()}
	public := s.Public("public")
	s.Allow(public.ID, s.service, workScopes...)

	home := s.Browser()
	require.Equal(t, http.StatusSeeOther, home.SignIn("alice", harness.Password).Status)
	first := v.b.Authorize(v.query(nil))
	id := strings.TrimPrefix(first.Header.Get("Location"), "/login?return=")
	require.Regexp(t, `^atz_`, id)
	doors := []func() int{
		func() int { return v.b.Authorize(v.query(nil)).Status },
		func() int { return v.b.Get("/oauth2/authorize/" + id).Status },
		func() int { return v.b.Post("/consent", url.Values{"authorization": {id}, "answer": {"deny"}}).Status },
		func() int {
			return s.Form("/oauth2/par", nil, s.Query(public, s.service, "work:do", nil)).Status
		},
	}
	for i := range 99 {
		require.Contains(t, []int{http.StatusSeeOther, http.StatusCreated}, doors[i%len(doors)]())
	}
	before := s.LastEntry().Seq
	for _, door := range doors {
		require.Equal(t, http.StatusTooManyRequests, door())
	}
	require.LessOrEqual(t, s.LastEntry().Seq, before+2, "one row a kind, not one each")
	require.Equal(t, http.StatusSeeOther, home.Authorize(v.query(nil)).Status, "who is known is let in")
	require.Equal(t, http.StatusCreated, s.Form("/oauth2/par", s.agent, v.query(nil)).Status)
}

// What somebody would have people read is not shown as the name of a client.
func TestVisit_ShowsNoNameThatIsNone(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		a := v.b.Authorize(v.query(url.Values{"client_id": {"call 0800-123456 now"}, "response_type": {"token"}}))
		require.Equal(t, http.StatusBadRequest, a.Status)
		require.NotContains(t, a.Body, "<code>call") // the link to the other language holds the whole address
	})
}
