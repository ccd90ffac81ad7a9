//go:build linux

package process

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Client is one with a secret, and a key if it has one.
type Client struct {
	ID, Secret string
	Key        *ecdsa.PrivateKey
}

// NewKey makes a key for assertions, and the JWK to register.
func NewKey() (key *ecdsa.PrivateKey, jwk string, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, "", err
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), Algorithm: "ES256", KeyID: "k1", Use: "sig"})
	return key, string(public), err
}

// Assertion signs a statement of who the client is, good for one use.
func (c Client) Assertion(issuer string) string {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": c.ID, "sub": c.ID, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	t.Header["kid"] = "k1"
	signed, err := t.SignedString(c.Key)
	if err != nil {
		panic(err) // the key is the test's own
	}
	return signed
}

// Ask is one request.
type Ask struct {
	At        *Deputy
	Path      string
	Form      url.Values
	As        Client
	Assertion string        // in place of the secret
	Then      func(*Answer) // told of the answer, if set
}

// Inspect has a client look at a token.
func Inspect(at *Deputy, as Client, token string) Ask {
	return Ask{At: at, Path: "/oauth2/introspect", Form: url.Values{"token": {token}}, As: as}
}

func (a Ask) request() *http.Request {
	form := url.Values{}
	for k, v := range a.Form {
		form[k] = v
	}
	if a.Assertion != "" {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", a.Assertion)
	}
	req, err := http.NewRequest(http.MethodPost, a.At.URL+a.Path, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err) // of the test's own making
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Request-ID", rand.Text())
	if a.Assertion == "" {
		req.SetBasicAuth(a.As.ID, a.As.Secret)
	}
	return req
}

// Answer is what became of one request.
type Answer struct {
	Ask
	ID     string // X-Request-ID
	Err    error  // there was no answer
	Cut    bool   // there was one, but not to its end
	Status int
	Retry  string // Retry-After
	Body   struct {
		Token   string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Error   string `json:"error"`
		Active  bool   `json:"active"`
	}
	JTI          string // of the token that was received, "" if none was
	Begun, Ended time.Time
}

// Took is how long the answer took.
func (a *Answer) Took() time.Duration { return a.Ended.Sub(a.Begun) }

// Granted is a good answer to any request of a load.
func (a *Answer) Granted() bool {
	return a.Err == nil && a.Status == http.StatusOK && (a.JTI != "" || strings.HasSuffix(a.Path, "introspect") && a.Body.Active)
}

// Unavailable is the one answer a client may get when Deputy cannot do its work:
// nothing that makes it throw its credentials or tokens away.
func (a *Answer) Unavailable() bool {
	return a.Status == http.StatusServiceUnavailable && a.Body.Error == "temporarily_unavailable" && a.Retry != "" && a.Body.Token == ""
}

// Refused is the answer of policy: no.
func (a *Answer) Refused() bool {
	return a.Err == nil && a.Status >= 400 && a.Status < 500 && a.Status != http.StatusTooManyRequests
}

// NewClient waits longer than Deputy may take, so that it is Deputy's bound that shows.
func NewClient() *http.Client {
	return &http.Client{Timeout: Patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// Send sends a request.
func Send(c *http.Client, a Ask) *Answer {
	req := a.request()
	got := &Answer{Ask: a, ID: req.Header.Get("X-Request-ID"), Begun: time.Now()}
	got.receive(c.Do(req))
	got.Ended = time.Now()
	if a.Then != nil {
		a.Then(got)
	}
	return got
}

func (a *Answer) receive(resp *http.Response, err error) {
	if err != nil {
		a.Err = err
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	a.Status, a.Retry = resp.StatusCode, resp.Header.Get("Retry-After")
	if err == nil {
		err = json.Unmarshal(body, &a.Body)
	}
	a.Err, a.Cut = err, err != nil
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(a.Body.Token, claims); err == nil {
		a.JTI, _ = claims["jti"].(string)
	}
}
