package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// openID is a provider in this process, with real keys. What a test sets makes it
// answer as no provider should.
type openID struct {
	t      *testing.T
	s      *harness.Server
	web    *httptest.Server
	key    *ecdsa.PrivateKey
	row    *models.Upstream
	secret string
	issues bool // it says who answers (RFC 9207)
	down   bool

	mu    sync.Mutex
	codes map[string]issuedCode
	spoil func(header, claims map[string]any) any // key to sign with
	seen  []url.Values                            // authorization requests
}

type issuedCode struct {
	challenge string
	claims    map[string]any
}

func newOpenID(t *testing.T, s *harness.Server, name string) *openID {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &openID{t: t, s: s, key: key, secret: "secret of " + name, codes: map[string]issuedCode{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.document)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("POST /token", p.token)
	p.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.web.Close)
	p.row = &models.Upstream{Name: name, Issuer: p.web.URL, ClientID: "deputy at " + name, ACRValues: []string{"gold"}}
	seal := func(id string) []byte { return s.People.SealUpstream(id, p.secret) }
	require.NoError(t, s.Store.CreateUpstream(t.Context(), models.By{System: "test"}, p.row, seal))
	return p
}

func (p *openID) document(w http.ResponseWriter, _ *http.Request) {
	p.write(w, map[string]any{
		"issuer": p.web.URL, "authorization_endpoint": p.web.URL + "/authorize", "token_endpoint": p.web.URL + "/token", "jwks_uri": p.web.URL + "/jwks",
		"id_token_signing_alg_values_supported": []string{"ES256", "none", "HS256"}, "authorization_response_iss_parameter_supported": p.issues,
	})
}

func (p *openID) jwks(w http.ResponseWriter, _ *http.Request) {
	at, err := p.key.PublicKey.ECDH()
	if err != nil {
		p.t.Error(err)
		return
	}
	raw := at.Bytes() // 4, x, y
	enc := base64.RawURLEncoding.EncodeToString
	p.write(w, map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", "x": enc(raw[1:33]), "y": enc(raw[33:])}}})
}

func (p *openID) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

// token redeems a code, once, for the client alone and with its verifier.
func (p *openID) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id, _ = url.QueryUnescape(id); id != p.row.ClientID {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	secret, _ = url.QueryUnescape(secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	code, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !known || secret != p.secret || code.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) || r.PostFormValue("redirect_uri") != p.back() {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	header, key := map[string]any{"kid": "k1", "alg": "ES256"}, any(p.key)
	if p.spoil != nil {
		if other := p.spoil(header, code.claims); other != nil {
			key = other
		}
	}
	t := &jwt.Token{Header: header, Claims: jwt.MapClaims(code.claims), Method: jwt.GetSigningMethod(header["alg"].(string))}
	signed, err := t.SignedString(key)
	if err != nil {
		p.t.Error(err)
	}
	p.write(w, map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": signed})
}

func (p *openID) back() string { return p.s.URL + "/login/upstream/" + p.row.ID + "/callback" }

// signs lets subject sign in with the provider, whose address a page of Deputy's
// leads to, and tells where in Deputy it sends them.
func (p *openID) signs(page harness.Answer, subject string, more map[string]any) url.Values {
	p.t.Helper()
	require.Equal(p.t, http.StatusOK, page.Status, page.Body)
	found := regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]+)"`).FindStringSubmatch(page.Body)
	require.NotNil(p.t, found, page.Body)
	at, err := url.Parse(html.UnescapeString(found[1]))
	require.NoError(p.t, err)
	require.Equal(p.t, p.web.URL+"/authorize", at.Scheme+"://"+at.Host+at.Path)
	q := at.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": p.row.ClientID, "redirect_uri": p.back(), "code_challenge_method": "S256", "scope": "openid"} {
		require.Equal(p.t, want, q.Get(name), name)
	}
	require.GreaterOrEqual(p.t, len(q.Get("state")), 26)
	require.NotContains(p.t, q.Encode(), "verifier")
	now := p.s.Clock.Now()
	claims := map[string]any{
		"iss": p.web.URL, "sub": subject, "aud": p.row.ClientID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": q.Get("nonce"), "auth_time": now.Unix(),
	}
	maps.Copy(claims, more)
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code] = issuedCode{q.Get("code_challenge"), claims}
	p.seen = append(p.seen, q)
	answer := url.Values{"code": {code}, "state": {q.Get("state")}}
	if p.issues {
		answer.Set("iss", p.web.URL)
	}
	return answer
}

// arrives comes back to Deputy.
func (p *openID) arrives(b *harness.Browser, answer url.Values) harness.Answer {
	p.t.Helper()
	return b.Get("/login/upstream/" + p.row.ID + "/callback?" + answer.Encode())
}

// goes presses the button on the page to sign in.
func (p *openID) goes(b *harness.Browser, back string) harness.Answer {
	p.t.Helper()
	return b.Post("/login/upstream/"+p.row.ID, url.Values{"return": {back}})
}

// linked makes subject be a user.
func (p *openID) linked(subject string, user *models.User) {
	p.t.Helper()
	row := &models.Identity{UserID: user.ID, Issuer: p.web.URL, Subject: subject}
	require.NoError(p.t, p.s.Store.LinkIdentity(p.t.Context(), models.By{System: "test"}, row))
}
