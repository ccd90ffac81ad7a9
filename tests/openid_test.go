package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// Names after the modules of the OpenID Foundation's certification suite, where one
// of them asks for the same.

// identified is a user who signed in to an application, which also works for them.
type identified struct {
	*sitting
	openID *models.ResourceServer
}

var everything = []string{"openid", "profile", "email", "groups"}

func eachIdentified(t *testing.T, test func(t *testing.T, s *identified)) {
	eachSitting(t, func(t *testing.T, s *sitting) {
		server, err := s.Store.ResourceServer(context.Background(), models.OpenIDID)
		require.NoError(t, err)
		i := &identified{s, server}
		i.user = i.changed(func(u *models.User) { u.Name, u.Email = "Alice Liddell", "alice@example.com" })
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			g := &models.Group{Name: "sales"}
			if err := st.CreateGroup(ctx, by, g); err != nil {
				return err
			}
			if err := st.AddGroupMember(ctx, by, g.ID, s.user.ID); err != nil {
				return err
			}
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.OpenIDRoleID, PrincipalID: s.agent.ID})
		})
		test(t, i)
	})
}

func (s *identified) changed(edit func(*models.User)) *models.User {
	s.TB.Helper()
	u, err := s.Store.UpdateUser(context.Background(), models.By{System: "test"}, s.user.ID, models.AnyVersion, edit)
	require.NoError(s.TB, err)
	return u
}

// signsIn is what the token endpoint gives for a code, with scopes of identity and,
// if work is not empty, of work.
func (s *identified) signsIn(who, work []string, edit func(*models.Code)) (harness.Answer, harness.Granted) {
	s.TB.Helper()
	at := map[string][]string{s.openID.ID: who}
	if len(work) > 0 {
		at[s.service.ID] = work
	}
	g := s.Grant(s.user, s.agent, at, func(c *models.Code) {
		c.SessionID, c.Nonce = "ses_1", "nonce-1"
		if edit != nil {
			edit(c)
		}
	})
	return s.token(harness.CodeForm(g.Code)), g
}

// verified is an ID token as a library of clients reads it.
func (s *identified) verified(a harness.Answer) (*oidc.IDToken, map[string]any) {
	s.TB.Helper()
	require.Equal(s.TB, http.StatusOK, a.Status, a.Body)
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, s.URL)
	require.NoError(s.TB, err)
	token, err := provider.Verifier(&oidc.Config{ClientID: s.agent.ID, Now: s.Clock.Now}).Verify(ctx, a.String("id_token"))
	require.NoError(s.TB, err)
	var claims map[string]any
	require.NoError(s.TB, token.Claims(&claims))
	return token, claims
}

func (s *identified) userinfo(token string) harness.Answer {
	s.TB.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL+"/oauth2/userinfo", nil)
	require.NoError(s.TB, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return s.Send(req)
}

// oidcc-server: the ID token beside an access token that is for something else.
func TestOIDC_AnIDTokenGoesWithACode(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, g := s.signsIn(everything, workScopes, nil)
		id, claims := s.verified(a)
		require.NoError(t, id.VerifyAccessToken(a.String("access_token")), "at_hash")
		require.Equal(t, "nonce-1", id.Nonce)
		now, iat := float64(s.Clock.Now().Unix()), claims["iat"].(float64)
		require.InDelta(t, now, iat, 5)
		require.InDelta(t, now-5, claims["auth_time"], 5)
		for name, want := range map[string]any{
			"iss": s.URL, "sub": s.user.ID, "aud": s.agent.ID, "exp": iat + 300,
			"acr": "1", "amr": []any{"pwd"}, "sid": "ses_1", "name": "Alice Liddell", "preferred_username": "alice", "updated_at": float64(s.user.UpdatedAt),
			"email": "alice@example.com", "email_verified": false, "groups": []any{"sales"},
		} {
			require.Equal(t, want, claims[name], name)
		}
		require.Len(t, claims, 18, "and at_hash, nonce, jti: %v", claims)
		header, access := claimsOf(t, a.String("access_token"))
		require.Equal(t, "at+jwt", header["typ"])
		require.Equal(t, s.service.Identifier, access["aud"], "the access token is for the work")
		require.Equal(t, "work:do work:undo", access["scope"])
		require.Equal(t, claims["auth_time"], access["auth_time"])
		row := s.Form("/oauth2/introspect", s.agent, url.Values{"token": {a.String("access_token")}})
		require.Equal(t, []any{claims["auth_time"], "1", []any{"pwd"}}, []any{row.JSON["auth_time"], row.JSON["acr"], row.JSON["amr"]}, row.Body)

		e, err := s.Store.EntryByID(context.Background(), s.mustToken(access["jti"].(string)).DecisionID)
		require.NoError(t, err)
		require.Equal(t, strings.Replace(e.TokenID, "tok_", "idt_", 1), claims["jti"], "its name leads to the ledger")
		require.Contains(t, e.Detail, `"id_token":{"claims":["email"`)
		require.Contains(t, e.Detail, g.Consents[s.openID.ID])
		require.NotContains(t, e.Detail, "alice@example.com")
	})
}

// oidcc-scope-profile, -email, -all: what each scope releases, here and at userinfo.
func TestOIDC_ClaimsFollowScopes(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		for scopes, want := range map[string]string{
			"openid": "sub", "openid email": "email email_verified sub", "openid groups": "groups sub",
			"openid profile": "name preferred_username sub updated_at",
		} {
			a, _ := s.signsIn(strings.Fields(scopes), nil, nil)
			_, claims := s.verified(a)
			_, access := claimsOf(t, a.String("access_token"))
			require.Equal(t, s.URL+"/oauth2/userinfo", access["aud"], "where nothing else was granted")
			info := s.userinfo(a.String("access_token"))
			require.Equal(t, http.StatusOK, info.Status, info.Body)
			require.Equal(t, "no-store", info.Header.Get("Cache-Control"))
			require.ElementsMatch(t, strings.Fields(want), keysOf(info.JSON), scopes)
			for name := range info.JSON {
				require.Equal(t, info.JSON[name], claims[name], name)
			}
			for _, name := range []string{"name", "email", "groups", "updated_at"} {
				require.Equal(t, info.JSON[name] != nil, claims[name] != nil, name)
			}
		}
		s.changed(func(u *models.User) { u.Name, u.Email = "", "" })
		a, _ := s.signsIn(everything, nil, nil)
		info := s.userinfo(a.String("access_token"))
		require.NotContains(t, info.Body, "null")
		require.ElementsMatch(t, []string{"sub", "preferred_username", "updated_at", "groups"}, keysOf(info.JSON), "what is not known is left out")
	})
}

func keysOf(m map[string]any) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	return out
}

// oidcc-userinfo-get, -post-header, -post-body, and what refuses.
func TestOIDC_UserinfoTakesATokenInOneWay(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, _ := s.signsIn(everything, nil, nil)
		token := a.String("access_token")
		post := func(header, form string) harness.Answer {
			req, err := http.NewRequest(http.MethodPost, s.URL+"/oauth2/userinfo", strings.NewReader(form))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			return s.Send(req)
		}
		require.Equal(t, s.user.ID, post("Bearer "+token, "").String("sub"))
		require.Equal(t, s.user.ID, post("", "access_token="+token).String("sub"))
		for name, bad := range map[string]harness.Answer{
			"both": post("Bearer "+token, "access_token="+token), "twice": post("", "access_token="+token+"&access_token="+token),
			"in the address": s.inAddress(token), "malformed": post("Bearer", ""),
		} {
			require.Equal(t, http.StatusUnauthorized, bad.Status, name+bad.Body)
		}
		none := s.userinfo("")
		require.Equal(t, http.StatusUnauthorized, none.Status)
		require.Equal(t, `Bearer realm="deputy", scope="openid", resource_metadata="`+s.Host+`/.well-known/oauth-protected-resource/oauth2/userinfo"`,
			none.Header.Get("WWW-Authenticate"), "who sent no token made no error")
		require.Equal(t, "*", none.Header.Get("Access-Control-Allow-Origin"))
		about := getURL(t, s.Server, s.Host+"/.well-known/oauth-protected-resource/oauth2/userinfo")
		require.Equal(t, s.URL+"/oauth2/userinfo", about.String("resource"), about.Body)
	})
}

func (s *identified) inAddress(token string) harness.Answer {
	s.TB.Helper()
	return getURL(s.TB.(*testing.T), s.Server, s.URL+"/oauth2/userinfo?access_token="+token)
}

// Who does not hold it any more, or whose user took it back, is told nothing: the
// rest of what was granted goes on.
func TestOIDC_IdentityIsDecidedAnew(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, _ := s.signsIn(everything, workScopes, nil)
		refreshed := s.token(harness.RefreshForm(a.String("refresh_token")))
		first, before := s.verified(a)
		id, claims := s.verified(refreshed)
		require.Equal(t, []any{first.Subject, first.Issuer, first.Audience, ""}, []any{id.Subject, id.Issuer, id.Audience, id.Nonce}, "OpenID Connect Core section 12.2")
		require.Equal(t, before["auth_time"], claims["auth_time"])
		require.Equal(t, "ses_1", claims["sid"])

		narrow := harness.RefreshForm(refreshed.String("refresh_token"))
		narrow.Set("scope", "openid work:do")
		a = s.token(narrow)
		_, claims = s.verified(a)
		require.NotContains(t, claims, "email", "whoever names scopes gets no others")
		require.Equal(t, "work:do", a.String("scope"))
		only := harness.RefreshForm(a.String("refresh_token"))
		only.Set("scope", "openid")
		a = s.token(only)
		require.Equal(t, s.user.ID, s.userinfo(a.String("access_token")).String("sub"), "alone, it is for userinfo")
		require.Equal(t, "openid", a.String("scope"))
		whole := a.String("access_token")

		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			rows, _, err := st.Assignments(ctx, models.OpenIDRoleID, s.agent.ID, models.Page{})
			if err != nil {
				return err
			}
			return st.DeleteAssignment(ctx, by, rows[0].ID)
		})
		a = s.token(harness.RefreshForm(a.String("refresh_token")))
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		require.NotContains(t, a.JSON, "id_token", "the client may not sign people in any more")
		require.Equal(t, "work:do work:undo", a.String("scope"))
		info := s.userinfo(whole)
		require.Equal(t, http.StatusUnauthorized, info.Status, info.Body)
		require.Contains(t, info.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
	})
}

func TestOIDC_ConsentTakenBackEndsIt(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, g := s.signsIn(everything, nil, nil)
		require.Equal(t, http.StatusOK, s.userinfo(a.String("access_token")).Status)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeConsent(ctx, by, g.Consents[s.openID.ID], "email")
		})
		info := s.userinfo(a.String("access_token"))
		require.NotContains(t, info.JSON, "email", "one scope")
		require.Equal(t, "Alice Liddell", info.String("name"))
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.RevokeConsent(ctx, by, g.Consents[s.openID.ID], "")
		})
		require.Equal(t, http.StatusUnauthorized, s.userinfo(a.String("access_token")).Status)
		s.mustNot(s.token(harness.RefreshForm(a.String("refresh_token"))), "nothing_left")
	})
}

// An ID token opens nothing; and a token for something else shows nobody.
func TestOIDC_AnIDTokenIsNoAccessToken(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, _ := s.signsIn(everything, workScopes, nil)
		id := a.String("id_token")
		s.Allow(s.agent.ID, s.service, workScopes...)
		x := s.token(harness.ExchangeForm(id, s.service.Identifier, "work:do"))
		require.Equal(t, http.StatusBadRequest, x.Status, x.Body)
		require.Contains(t, x.String("error_description"), "wrong_type")
		require.False(t, s.Active(s.agent, id))
		for path, token := range map[string]string{"/oauth2/userinfo": id, "/api/v1/clients": id} {
			req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			no := s.Send(req)
			require.Equal(t, http.StatusUnauthorized, no.Status, path+no.Body)
			require.Contains(t, no.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
		}
		other := s.userinfo(a.String("access_token"))
		require.Equal(t, http.StatusUnauthorized, other.Status, "another audience: "+other.Body)
		require.NotContains(t, other.Body, "alice")

		own := s.token(harness.OwnForm(s.openID.Identifier, "openid"))
		self := s.userinfo(own.String("access_token"))
		require.Equal(t, http.StatusUnauthorized, self.Status, "an agent is nobody to sign in: "+self.Body)

		low, _ := s.signsIn([]string{"email"}, nil, nil)
		require.NotContains(t, low.JSON, "id_token")
		no := s.userinfo(low.String("access_token"))
		require.Equal(t, http.StatusForbidden, no.Status, no.Body)
		require.Contains(t, no.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`)
		_, access := claimsOf(t, own.String("access_token"))
		require.NotContains(t, access, "auth_time")
	})
}

// oidcc-ensure-client-expired…: it is for now.
func TestOIDC_AnIDTokenIsReadAtOnce(t *testing.T) {
	eachIdentified(t, func(t *testing.T, s *identified) {
		a, _ := s.signsIn(everything, nil, nil)
		s.verified(a)
		s.Clock.Advance(301 * time.Second)
		provider, err := oidc.NewProvider(context.Background(), s.URL)
		require.NoError(t, err)
		_, err = provider.Verifier(&oidc.Config{ClientID: s.agent.ID, Now: s.Clock.Now}).Verify(context.Background(), a.String("id_token"))
		var expired *oidc.TokenExpiredError
		require.ErrorAs(t, err, &expired)
	})
}

// oidcc-discovery-endpoint-verification
func TestOIDC_DiscoverySaysWhatIsServed(t *testing.T) {
	s := harness.New(t, "sqlite", harness.Options{})
	a := get(t, s, "/.well-known/openid-configuration")
	require.Equal(t, s.URL+"/oauth2/userinfo", a.String("userinfo_endpoint"))
	require.Equal(t, []any{"ES256"}, a.JSON["id_token_signing_alg_values_supported"])
	require.Equal(t, []any{"public"}, a.JSON["subject_types_supported"])
	require.Equal(t, []any{"openid", "profile", "email", "groups"}, a.JSON["scopes_supported"])
	require.Contains(t, a.JSON["claims_supported"], "email_verified")
	require.Equal(t, []any{"1", "2"}, a.JSON["acr_values_supported"])
	require.NotContains(t, a.Body, "null")
	require.NotContains(t, a.Body, "offline_access")
	require.NotContains(t, get(t, s, "/.well-known/oauth-authorization-server").JSON, "userinfo_endpoint", "which is not OAuth's")
}

// oidcc-prompt-login and what a client that signs people in asks on one page.
func TestOIDC_SigningInAndWorkOnOnePage(t *testing.T) {
	eachVisit(t, func(t *testing.T, v *visit) {
		v.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.OpenIDRoleID, PrincipalID: v.agent.ID})
		})
		q := v.asks(url.Values{"scope": {"openid profile email work:do offline_access"}, "nonce": {"n-0S6"}})
		who := func(scope string) string { return models.OpenIDID + " " + scope }
		require.Contains(t, q.Body, "<bdi>"+strings.TrimPrefix(v.Host, "http://")+"</bdi></strong></h1>", "people know Deputy by where it is")
		require.ElementsMatch(t, []string{who("openid"), who("profile"), who("email"), v.pair("work:do")}, q.Scopes)
		require.Contains(t, q.Body, "See your e-mail address")
		require.NotContains(t, q.Body, "offline_access")
		back := v.b.Back(v.b.Post("/consent", q.Form("allow", who("openid"), who("email"), v.pair("work:do"))))
		a := v.token(harness.CodeForm(back.Get("code")))
		i := &identified{sitting: v.sitting}
		id, claims := i.verified(a)
		require.Equal(t, "n-0S6", id.Nonce)
		require.Equal(t, false, claims["email_verified"] == nil && claims["email"] != nil)
		require.NotContains(t, claims, "name", "which was not ticked")
		require.Regexp(t, `^ses_`, claims["sid"])
		require.Equal(t, "work:do", a.String("scope"))

		alone := v.b.Back(v.b.Authorize(v.query(url.Values{"scope": {"openid"}, "resource": nil, "prompt": {"none"}})))
		require.NotEmpty(t, alone.Get("code"), alone)
		a = v.token(harness.CodeForm(alone.Get("code")))
		i.verified(a)
		require.Equal(t, v.user.ID, i.userinfo(a.String("access_token")).String("sub"))
	})
}
