package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// proof is a client that showed who it is.
type proof struct {
	clientID   string
	credential policies.Credential
	once       *models.Once // an assertion is used up with the decision it is for
}

// authenticate checks a client's credentials before anything else of the
// request is looked at. It finds out who asks; what they may is policy's.
func (e *Endpoint) authenticate(ctx context.Context, f *facts, a oauth.ClientAuth) (*proof, error) {
	check := e.checkSecret
	if a.Method == oauth.PrivateKeyJWT {
		var err error
		if a.ID, err = assertedClient(a); err != nil {
			return nil, err
		}
		check = e.checkAssertion
	}
	live, cached, err := f.view.Credentials(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	p, failed := check(f, a, live)
	if failed == nil || !cached {
		return p, failed
	}
	// Who fails on what was cached is looked at once more: the credential may be
	// a moment old, and issued on another replica. It also makes an unknown
	// client and a wrong secret take the same time: one read of the database.
	if live, err = f.view.CredentialsNow(ctx, a.ID); err != nil {
		return nil, err
	}
	return check(f, a, live)
}

// noSecret is compared when there is nothing to compare with.
var noSecret = make([]byte, sha256.Size)

func (e *Endpoint) checkSecret(f *facts, a oauth.ClientAuth, live []models.Credential) (*proof, error) {
	hash := models.HashSecret(a.Secret)
	var found *models.Credential
	subtle.ConstantTimeCompare(hash, noSecret)
	for i, c := range live {
		if c.Kind == models.CredentialSecret && c.Live(f.now) && subtle.ConstantTimeCompare(hash, c.SecretHash) == 1 {
			found = &live[i]
		}
	}
	if found == nil {
		return nil, oauth.BadClient("bad_credentials")
	}
	return &proof{clientID: a.ID, credential: policies.Credential{ID: found.ID, Method: a.Method}}, nil
}

// assertion is a client's own statement of who it is (RFC 7523, as the BCP
// update narrows it: one audience, our issuer).
type assertion struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jwt.ClaimStrings `json:"aud"`
	Expires  float64          `json:"exp"`
	IssuedAt float64          `json:"iat"`
	Before   float64          `json:"nbf"`
	ID       string           `json:"jti"`
}

// Bounds of an assertion, in seconds.
const (
	maxAssertionLife = 600
	maxClockSkew     = 60
	maxAssertionSize = 8 << 10
)

// assertedClient reads who an assertion says it is from. It is checked after.
func assertedClient(a oauth.ClientAuth) (string, error) {
	if len(a.Assertion) > maxAssertionSize {
		return a.ID, oauth.BadClient("assertion_malformed")
	}
	var claims struct {
		jwt.RegisteredClaims
	}
	if _, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(a.Assertion, &claims); err != nil || claims.Subject == "" {
		return a.ID, oauth.BadClient("assertion_malformed")
	}
	if a.ID != "" && a.ID != claims.Subject {
		return a.ID, oauth.BadClient("assertion_client_mismatch")
	}
	return claims.Subject, nil
}

func (e *Endpoint) checkAssertion(f *facts, a oauth.ClientAuth, live []models.Credential) (*proof, error) {
	reason := "bad_credentials"
	for _, c := range live {
		if c.Kind != models.CredentialKey || !c.Live(f.now) {
			continue
		}
		claims, problem := verifyAssertion(a.Assertion, c.PublicJWK)
		if problem != "" {
			reason = problem
			continue
		}
		if reason = e.judge(claims, a.ID, f.now); reason != "" {
			return nil, oauth.BadClient(reason)
		}
		return &proof{
			clientID: a.ID, credential: policies.Credential{ID: c.ID, Method: a.Method},
			once: &models.Once{Purpose: "client_assertion", Value: digest(a.ID, claims.ID), ExpiresAt: int64(claims.Expires) + maxClockSkew + 1},
		}, nil
	}
	return nil, oauth.BadClient(reason)
}

// verifyAssertion checks type and signature with one registered key. The
// algorithm is the key's: the header may only agree.
func verifyAssertion(raw, publicJWK string) (*assertion, string) {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal([]byte(publicJWK), &jwk); err != nil {
		return nil, "registered_key_unreadable"
	}
	object, err := jose.ParseSigned(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(jwk.Algorithm)})
	if err != nil || len(object.Signatures) != 1 {
		return nil, "assertion_malformed"
	}
	header := object.Signatures[0].Protected
	if typ, ok := header.ExtraHeaders[jose.HeaderType].(string); ok {
		typ = strings.ToLower(strings.TrimPrefix(typ, "application/"))
		if typ != "jwt" && typ != "client-authentication+jwt" {
			return nil, "assertion_type"
		}
	}
	if header.KeyID != "" && jwk.KeyID != "" && header.KeyID != jwk.KeyID {
		return nil, "assertion_key"
	}
	body, err := object.Verify(jwk)
	if err != nil {
		return nil, "assertion_signature"
	}
	var claims assertion
	if err := json.Unmarshal(body, &claims); err != nil {
		return nil, "assertion_malformed"
	}
	return &claims, ""
}

func (e *Endpoint) judge(c *assertion, clientID string, now int64) string {
	at := float64(now)
	switch {
	case c.Issuer != clientID || c.Subject != clientID:
		return "assertion_client_mismatch"
	case len(c.Audience) != 1 || c.Audience[0] != e.issuer:
		return "assertion_audience"
	case c.Expires == 0 || c.Expires+maxClockSkew <= at:
		return "assertion_expired"
	case c.Expires > at+maxAssertionLife+maxClockSkew:
		return "assertion_too_long"
	case c.IssuedAt > at+maxClockSkew || c.Before > at+maxClockSkew:
		return "assertion_early"
	case c.ID == "" || len(c.ID) > 256:
		return "assertion_id"
	}
	return ""
}

// digest keeps foreign strings of any shape out of keys.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// lastUsed gathers when credentials were used and is written now and then: it
// helps an administrator to see which secret may go, and no decision hangs on it.
type lastUsed struct {
	mu   sync.Mutex
	seen map[string]int64
}

func newLastUsed() *lastUsed { return &lastUsed{seen: map[string]int64{}} }

func (l *lastUsed) note(id string, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[id] = at
}

func (l *lastUsed) take() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = map[string]int64{}
	return seen
}

// Tend writes when credentials were last used and forgets expired single-use
// values, every so often, and once more when ctx ends.
func (e *Endpoint) Tend(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			e.tend(last)
			return
		case <-tick.C:
			e.tend(ctx)
		}
	}
}

func (e *Endpoint) tend(ctx context.Context) {
	var errs []error
	if seen := e.used.take(); len(seen) > 0 {
		errs = append(errs, e.store.MarkUsed(ctx, seen))
	}
	if err := errors.Join(append(errs, e.store.PurgeUsed(ctx))...); err != nil && ctx.Err() == nil {
		e.log.Error("housekeeping failed", "error", err)
	}
}
