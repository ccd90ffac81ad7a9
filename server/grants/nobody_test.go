package grants

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
)

// A wrong assertion costs one signature, whoever it names: a client that has a
// key, of this algorithm or another, one that has a secret only, or nobody. It
// is counted, not timed.
func TestAWrongAssertionCostsTheSameWhoeverItNames(t *testing.T) {
	store := modelstest.New(t, "sqlite")
	bounds := limits.Defaults()
	bounds.FailureBurst = 0
	endpoint := New(Config{Limits: limits.New(bounds, time.Now), Issuer: "https://deputy.example", Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	signatures := 0
	endpoint.verify = func(raw, publicJWK string) (*assertion, string) {
		claims, problem := verifyAssertion(raw, publicJWK)
		if problem == "" || problem == badSignature {
			signatures++
		}
		return claims, problem
	}
	clients := map[string]string{"nobody": "app_nobody", "secret only": modelstest.Application(t, store, "secret").ID}
	modelstest.Secret(t, store, clients["secret only"])
	for alg, key := range strangersKeys(t) {
		name := "registered " + alg
		clients[name] = modelstest.Application(t, store, "app-"+strings.ToLower(alg)).ID
		jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), Algorithm: alg, KeyID: "k1", Use: "sig"})
		require.NoError(t, err)
		_, err = store.CreateCredential(t.Context(), modelstest.By(), &models.Credential{ClientID: clients[name], Kind: models.CredentialKey, PublicJWK: string(jwk)})
		require.NoError(t, err)
	}
	for alg, key := range strangersKeys(t) {
		for _, kid := range []string{"", "k1", "another"} {
			for name, id := range clients {
				for _, when := range []string{"first", "from memory"} {
					signatures = 0
					_, err := endpoint.Token(t.Context(), Call{}, oauth.TokenRequest{GrantType: oauth.ClientCredentials, Client: oauth.ClientAuth{
						Method: oauth.PrivateKeyJWT, Assertion: forged(t, alg, kid, id, key),
					}})
					require.ErrorContains(t, err, "invalid_client")
					require.Equal(t, 1, signatures, "%s kid %q naming %s, %s", alg, kid, name, when)
				}
			}
		}
	}
}

func strangersKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	bits, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return map[string]crypto.Signer{"ES256": p256, "ES384": p384, "EdDSA": ed, "RS256": bits, "PS256": bits}
}

func forged(t *testing.T, alg, kid, id string, key crypto.Signer) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{
		"iss": id, "sub": id, "aud": "https://deputy.example", "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	token.Header["typ"] = "client-authentication+jwt"
	if kid != "" {
		token.Header["kid"] = kid
	}
	raw, err := token.SignedString(key)
	require.NoError(t, err)
	return raw
}
