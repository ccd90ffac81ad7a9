// Package upstream lets people sign in with OpenID providers (OpenID Connect Core,
// code flow): it makes the address to send them to and reads what comes back. Who
// somebody is here, and what they may do, it does not know.
package upstream

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/deputyauth/deputy/server/outbound"
)

// Provider is one as an administrator configured it.
type Provider struct {
	Issuer, ClientID, ClientSecret string
	Scopes, ACRValues              []string
	Redirect                       string // where it sends people back: an address of this provider's alone
}

// Visit is one person's way to a provider and back. Its secrets work once.
type Visit struct {
	State, Nonce, Verifier string

	MaxAge  int64 // seconds since the person showed the provider who they are, at most; 0: they do so now
	Strong  bool  // more than a password is wanted
	Hint    string
	Locales string
}

// Identity is what a provider says of somebody.
type Identity struct {
	Issuer, Subject string
	AMR             []string // as far as RFC 8176 names it
	AuthTime        int64    // when they showed who they are, 0 if it does not say
}

// Problem says what was wrong with an answer of a provider, by a code. It is
// nothing that trying again at once would help.
type Problem string

func (p Problem) Error() string { return "upstream: " + string(p) }

// What may be wrong with an answer.
const (
	Denied      Problem = "upstream_denied" // the person, or the provider, said no
	WrongState  Problem = "upstream_state"
	WrongIssuer Problem = "upstream_issuer" // mix-up (RFC 9207)
	WrongToken  Problem = "upstream_token"
	NotAnew     Problem = "upstream_not_anew" // the person was to sign in there anew, and did not
)

// ErrUnreachable: the provider does not answer, or not as a provider does.
var ErrUnreachable = errors.New("upstream provider is unreachable")

// longest bounds everything that one sign-in fetches.
const longest = 12 * time.Second

// keepDocument is how long what a provider says of itself is believed.
const keepDocument = time.Hour

// Clients talk to providers. They are safe for concurrent use.
type Clients struct {
	with  func(context.Context) context.Context // what fetches stays within reach
	reach outbound.Reach
	now   func() time.Time

	mu    sync.Mutex
	known map[string]*document // by issuer
}

// document is what a provider says of itself (OpenID Connect Discovery section 4).
type document struct {
	mu       sync.Mutex
	provider *oidc.Provider
	read     time.Time
	more     struct {
		SaysIssuer  bool     `json:"authorization_response_iss_parameter_supported"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	}
}

// New makes Clients of providers that are within reach.
func New(now func() time.Time, reach outbound.Reach) *Clients {
	client := reach.HTTP(3)
	with := func(ctx context.Context) context.Context { return oidc.ClientContext(ctx, client) }
	return &Clients{with: with, reach: reach, now: now, known: map[string]*document{}}
}

// discover reads the provider's document, or remembers it. While somebody reads
// it, others wait for the same.
func (c *Clients) discover(ctx context.Context, issuer string) (*document, error) {
	c.mu.Lock()
	d := c.known[issuer]
	if d == nil {
		if len(c.known) >= 1000 { // administrators have a few
			clear(c.known)
		}
		d = &document{}
		c.known[issuer] = d
	}
	c.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if age := c.now().Sub(d.read); d.provider != nil && age >= 0 && age < keepDocument {
		return d, nil
	}
	provider, err := oidc.NewProvider(c.with(ctx), issuer)
	if err == nil {
		err = provider.Claims(&d.more)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	d.provider, d.read = provider, c.now()
	return d, nil
}

// config is how the provider is spoken to. How Deputy authenticates is chosen, not
// tried out: a code that is sent twice is used up.
func (d *document) config(p Provider) oauth2.Config {
	at := d.provider.Endpoint()
	at.AuthStyle = oauth2.AuthStyleInHeader
	if p.ClientSecret == "" || len(d.more.AuthMethods) > 0 && !slices.Contains(d.more.AuthMethods, "client_secret_basic") {
		at.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: at, RedirectURL: p.Redirect, Scopes: p.Scopes}
}

// Address is where somebody is sent to sign in.
func (c *Clients) Address(ctx context.Context, p Provider, v Visit) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	d, err := c.discover(ctx, p.Issuer)
	if err != nil {
		return "", err
	}
	conf := d.config(p)
	at, err := url.Parse(conf.Endpoint.AuthURL)
	if err != nil || !c.reach.Allows(at) {
		return "", fmt.Errorf("%w: its authorization endpoint is not https", ErrUnreachable)
	}
	more := []oauth2.AuthCodeOption{
		oidc.Nonce(v.Nonce), oauth2.S256ChallengeOption(v.Verifier), oauth2.SetAuthURLParam("max_age", strconv.FormatInt(v.MaxAge, 10)),
	}
	set := func(name, value string) {
		if value != "" {
			more = append(more, oauth2.SetAuthURLParam(name, value))
		}
	}
	if v.MaxAge == 0 {
		set("prompt", "login")
	}
	if v.Strong {
		set("acr_values", strings.Join(p.ACRValues, " "))
	}
	set("login_hint", v.Hint)
	set("ui_locales", v.Locales)
	return conf.AuthCodeURL(v.State, more...), nil
}

// Answer is what a browser brings back (RFC 6749 section 4.1.2, RFC 9207).
type Answer struct{ State, Code, Issuer, Error string }

// Finish reads who came back. A Problem says what is wrong with that.
func (c *Clients) Finish(ctx context.Context, p Provider, v Visit, a Answer) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if subtle.ConstantTimeCompare([]byte(a.State), []byte(v.State)) != 1 {
		return nil, WrongState
	}
	d, err := c.discover(ctx, p.Issuer)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Issuer != p.Issuer && (a.Issuer != "" || d.more.SaysIssuer):
		return nil, WrongIssuer
	case a.Error != "" || a.Code == "":
		return nil, Denied
	}
	raw, err := c.redeem(ctx, d, p, v, a.Code)
	if err != nil {
		return nil, err
	}
	return c.verify(ctx, d, p, v, raw)
}

// redeem exchanges the code for an id_token.
func (c *Clients) redeem(ctx context.Context, d *document, p Provider, v Visit, code string) (string, error) {
	conf := d.config(p)
	token, err := conf.Exchange(c.with(ctx), code, oauth2.VerifierOption(v.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response.StatusCode < 500:
		return "", Denied
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrUnreachable, quiet(err))
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return "", WrongToken
	}
	return raw, nil
}

// quiet leaves out what an endpoint answered, which may hold anything.
func quiet(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fmt.Errorf("the token endpoint answers %d", refused.Response.StatusCode)
	}
	return err
}

// verify reads the id_token (OpenID Connect Core section 3.1.3.7).
func (c *Clients) verify(ctx context.Context, d *document, p Provider, v Visit, raw string) (*Identity, error) {
	t, err := d.provider.Verifier(&oidc.Config{ClientID: p.ClientID, Now: c.now}).Verify(ctx, raw)
	if err != nil {
		if strings.Contains(err.Error(), "fetching keys") {
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return nil, fmt.Errorf("%w: %w", WrongToken, err)
	}
	var claims struct {
		AZP      string   `json:"azp"`
		AMR      []string `json:"amr"`
		AuthTime int64    `json:"auth_time"`
	}
	switch err := t.Claims(&claims); {
	case err != nil, t.Subject == "", claims.AZP != "" && claims.AZP != p.ClientID, len(t.Audience) > 1 && claims.AZP == "":
		return nil, WrongToken
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(v.Nonce)) != 1:
		return nil, WrongToken
	}
	now := c.now().Unix()
	if claims.AuthTime < 0 || claims.AuthTime > now+60 || claims.AuthTime == 0 && v.MaxAge == 0 || claims.AuthTime != 0 && claims.AuthTime < now-v.MaxAge-skew {
		return nil, NotAnew
	}
	who := &Identity{Issuer: t.Issuer, Subject: t.Subject, AuthTime: min(claims.AuthTime, now)}
	for _, m := range claims.AMR {
		if slices.Contains(methods, m) && !slices.Contains(who.AMR, m) {
			who.AMR = append(who.AMR, m)
		}
	}
	return who, nil
}

// skew is how much clocks may differ, and how long somebody may take on their way
// back, in seconds.
const skew = 300

// methods are those that RFC 8176 names.
var methods = []string{
	"face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd", "rba", "retina", "sc", "sms", "swk", "tel", "user", "vbm", "wia",
}
