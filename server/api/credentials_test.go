package api

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

func TestASecretIsShownOnce(t *testing.T) {
	c := newClient(t)
	at := "/clients/" + modelstest.Application(t, c.store, "widget").ID + "/credentials"
	made := c.do(http.MethodPost, at, object{"kind": "secret", "name": "first", "expires_at": "2040-01-02T03:04:05Z"})
	first := made.is(http.StatusCreated)
	secret := first["secret"].(string)
	require.Regexp(t, `^deputy_sk_[A-Za-z0-9_-]{43}[A-Za-z0-9]{6}$`, secret)
	require.Equal(t, "no-store", made.Header.Get("Cache-Control"))
	require.Equal(t, Prefix+at+"/"+first["id"].(string), made.Header.Get("Location"))
	subset(t, object{"kind": "secret", "name": "first", "expires_at": "2040-01-02T03:04:05Z"}, first)
	require.NotContains(t, first, "public_jwk")
	require.NotContains(t, first, "last_used_at")
	require.NotContains(t, first, "revoked_at")

	rotated := c.do(http.MethodPost, at+"/"+first["id"].(string)+"/rotate", object{"overlap": 60})
	second := rotated.is(http.StatusCreated)
	require.NotEqual(t, secret, second["secret"])
	require.NotContains(t, second, "expires_at")
	require.Equal(t, Prefix+at+"/"+second["id"].(string), rotated.Header.Get("Location"))

	listed := c.do(http.MethodGet, at, nil)
	require.Equal(t, []string{first["id"].(string), second["id"].(string)}, listed.ids("id"))
	c.do(http.MethodDelete, at+"/"+first["id"].(string), nil).is(http.StatusNoContent)
	c.do(http.MethodDelete, at+"/"+first["id"].(string), nil).is(http.StatusNoContent)
	after := c.do(http.MethodGet, at, nil)
	require.Contains(t, after.JSON["items"].([]any)[0], "revoked_at")
	require.NotContains(t, after.JSON["items"].([]any)[1], "revoked_at")

	entries, _, err := c.store.Entries(t.Context(), models.EntryFilter{}, -1, 200)
	require.NoError(t, err)
	ledger, err := json.Marshal(entries)
	require.NoError(t, err)
	shown := c.do(http.MethodGet, "/audit/entries?limit=200", nil).Body
	for _, s := range []string{secret, second["secret"].(string)} {
		for _, text := range []string{listed.Body, after.Body, string(ledger), shown} {
			require.NotContains(t, text, s)
			require.NotContains(t, text, strings.TrimPrefix(s, models.SecretPrefix))
		}
	}
	require.NotContains(t, listed.Body, `"secret":`)
}

func TestNobodyChoosesASecret(t *testing.T) {
	c := newClient(t)
	w := modelstest.NewWorld(t, c.store, "w")
	at := "/clients/" + w.Agent.ID + "/credentials"
	for _, field := range []string{"secret", "client_secret", "secret_hash", "id"} {
		c.do(http.MethodPost, at, object{"kind": "secret", field: "hunter2"}).problem(http.StatusBadRequest, "invalid_request", field)
	}
	c.do(http.MethodPost, at, object{"kind": "password"}).problem(http.StatusUnprocessableEntity, "invalid_value", "kind")
	c.do(http.MethodPost, at, object{"kind": "secret", "expires_at": "2020-01-01T00:00:00Z"}).problem(http.StatusUnprocessableEntity, "invalid_value", "expires_at")
	c.do(http.MethodPost, at, object{"kind": "secret", "public_jwk": object{}}).problem(http.StatusUnprocessableEntity, "invalid_value", "public_jwk")
	c.do(http.MethodPost, at, object{"kind": "public_key"}).problem(http.StatusUnprocessableEntity, "invalid_value", "public_jwk")
	c.do(http.MethodPost, "/clients/agt_none/credentials", object{"kind": "secret"}).problem(http.StatusNotFound, "not_found", "")

	made := c.create(at, object{"kind": "secret"})
	rotate := at + "/" + made + "/rotate"
	c.do(http.MethodPost, rotate, object{}).problem(http.StatusUnprocessableEntity, "invalid_value", "overlap")
	c.do(http.MethodPost, rotate, object{"overlap": -1}).problem(http.StatusUnprocessableEntity, "invalid_value", "overlap")
	c.do(http.MethodPost, rotate, object{"overlap": 0, "secret": "x"}).problem(http.StatusBadRequest, "invalid_request", "secret")
	other := modelstest.Application(t, c.store, "other").ID
	c.do(http.MethodPost, "/clients/"+other+"/credentials/"+made+"/rotate", object{"overlap": 0}).problem(http.StatusNotFound, "not_found", "")
	c.do(http.MethodDelete, "/clients/"+other+"/credentials/"+made, nil).problem(http.StatusNotFound, "not_found", "")
}

// jwk is a key as somebody would send it.
func jwk(t *testing.T, key any, more object) object {
	t.Helper()
	body, err := json.Marshal(jose.JSONWebKey{Key: key})
	require.NoError(t, err)
	out := object{}
	require.NoError(t, json.Unmarshal(body, &out))
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestPublicKeys(t *testing.T) {
	c := newClient(t)
	at := "/clients/" + modelstest.Application(t, c.store, "widget").ID + "/credentials"
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048, _ := rsa.GenerateKey(rand.Reader, 2048)
	for _, good := range []struct {
		key  object
		want string
	}{
		{jwk(t, p256.Public(), nil), "ES256"},
		{jwk(t, p256.Public(), object{"alg": "ES256", "kid": "one", "use": "sig", "x5u": "https://evil.example", "nosuch": 1}), "ES256"},
		{jwk(t, p384.Public(), nil), "ES384"},
		{jwk(t, ed, nil), "EdDSA"},
		{jwk(t, rsa2048.Public(), object{"alg": "RS256"}), "RS256"},
		{jwk(t, rsa2048.Public(), object{"alg": "PS256"}), "PS256"},
	} {
		made := c.do(http.MethodPost, at, object{"kind": "public_key", "public_jwk": good.key}).is(http.StatusCreated)
		require.NotContains(t, made, "secret")
		stored := made["public_jwk"].(map[string]any)
		require.Equal(t, good.want, stored["alg"])
		require.Equal(t, "sig", stored["use"])
		require.Equal(t, good.key["kid"], stored["kid"])
		require.Equal(t, good.key["kty"], stored["kty"])
		require.NotContains(t, stored, "x5u")
		require.NotContains(t, stored, "nosuch")
	}
	key := c.do(http.MethodGet, at, nil).ids("id")[0]
	c.do(http.MethodPost, at+"/"+key+"/rotate", object{"overlap": 0}).problem(http.StatusUnprocessableEntity, "invalid_value", "kind")
}

func TestKeysThatAreRefused(t *testing.T) {
	c := newClient(t)
	at := "/clients/" + modelstest.Application(t, c.store, "widget").ID + "/credentials"
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048, _ := rsa.GenerateKey(rand.Reader, 2048)
	short := &rsa.PublicKey{N: new(big.Int).Rsh(rsa2048.N, 1024), E: rsa2048.E}
	for name, bad := range map[string]any{
		"private EC":      jwk(t, p256, nil),
		"private OKP":     jwk(t, ed, nil),
		"private RSA":     jwk(t, rsa2048, object{"alg": "RS256"}),
		"symmetric":       object{"kty": "oct", "k": "AAAA"},
		"P-521":           jwk(t, p521.Public(), nil),
		"short RSA":       jwk(t, short, object{"alg": "RS256"}),
		"RSA without alg": jwk(t, rsa2048.Public(), nil),
		"alg of another":  jwk(t, p256.Public(), object{"alg": "RS256"}),
		"alg none":        jwk(t, p256.Public(), object{"alg": "none"}),
		"alg HS256":       jwk(t, rsa2048.Public(), object{"alg": "HS256"}),
		"for encryption":  jwk(t, p256.Public(), object{"use": "enc"}),
		"off the curve":   jwk(t, p256.Public(), object{"y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
		"long kid":        jwk(t, p256.Public(), object{"kid": long(201)}),
		"nothing":         object{},
		"a set":           object{"keys": []any{}},
	} {
		a := c.do(http.MethodPost, at, object{"kind": "public_key", "public_jwk": bad})
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, name)
		a.problem(http.StatusUnprocessableEntity, "invalid_value", "public_jwk")
	}
	c.do(http.MethodPost, at, object{"kind": "public_key", "public_jwk": "x"}).problem(http.StatusBadRequest, "invalid_request", "public_jwk")
}
