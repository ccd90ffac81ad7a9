package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/deputyauth/deputy/server"
)

// patient is a running server, looked at as its clients look at it.
type patient struct {
	*doctor
	http   *http.Client
	issuer string
	date   time.Time   // what it last said the time is
	as     credentials // whom to follow events as; nobody if empty

	patience time.Duration // with the beginning of a stream; 0: streamPatience
}

// document is a discovery document, as far as clients need it.
type document struct {
	Issuer   string   `json:"issuer"`
	Resource string   `json:"resource"`
	Servers  []string `json:"authorization_servers"`
	JWKS     string   `json:"jwks_uri"`
	Token    string   `json:"token_endpoint"`
	Auth     string   `json:"authorization_endpoint"`
}

// examine goes the way of every kind of client, from the issuer to the keys.
func (p *patient) examine(ctx context.Context, issuer string) {
	p.issuer = strings.TrimSuffix(issuer, "/")
	u, err := server.CheckIssuer(p.issuer)
	if err != nil {
		p.fail("issuer", "give the server's issuer, as DEPUTY_ISSUER has it", "%v", err)
		return
	}
	p.ok("issuer", "%s", p.issuer)
	at := func(path string) string { return u.Scheme + "://" + u.Host + path }
	oauth := p.discover(ctx, "discovery, OAuth", "clients of RFC 8414 and MCP", at("/.well-known/oauth-authorization-server"+u.Path))
	openID := p.discover(ctx, "discovery, OpenID", "clients of OpenID Connect", p.issuer+"/.well-known/openid-configuration")
	if u.Path != "" {
		p.discover(ctx, "discovery, OpenID inserted", "clients that put the path behind", at("/.well-known/openid-configuration"+u.Path))
	}
	p.protected(ctx, at("/.well-known/oauth-protected-resource"+u.Path+"/api/v1"))
	if oauth != nil && openID != nil {
		if oauth.Token != openID.Token || oauth.JWKS != openID.JWKS {
			p.fail("discovery agrees", "see that nothing between rewrites one of the documents", "the two documents name different endpoints")
		} else {
			p.ok("discovery agrees", "both documents name the same endpoints")
		}
	}
	if known := oauth; known != nil || openID != nil {
		if known == nil {
			known = openID
		}
		p.keys(ctx, known.JWKS)
		p.events(ctx) // a secret is shown only to who was found to be that issuer
	}
	if !p.date.IsZero() {
		p.skew("clock", "the server's clock", p.date)
	}
	p.readiness(ctx, at("/readyz"))
}

// get reads a JSON document.
func (p *patient) get(ctx context.Context, address string, into any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.date = date
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return resp.StatusCode, err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return resp.StatusCode, fmt.Errorf("status %d, and not JSON", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// found is get of what must be there.
func (p *patient) found(ctx context.Context, address string, into any) error {
	status, err := p.get(ctx, address, into)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

// passOn is what helps where a document cannot be read.
func passOn(err error) string {
	var network *url.Error
	if errors.As(err, &network) {
		return "see that the server runs, and can be reached from here"
	}
	return "have the proxy pass this path on, unchanged"
}

func (p *patient) discover(ctx context.Context, check, who, address string) *document {
	var doc document
	if err := p.found(ctx, address, &doc); err != nil {
		p.fail(check, passOn(err), "%s: %v", address, err)
		return nil
	}
	if doc.Issuer != p.issuer {
		p.fail(check, "set DEPUTY_ISSUER to the URL that clients use", "%s says that its issuer is %q, so %s refuse it", address, doc.Issuer, who)
		return nil
	}
	for name, endpoint := range map[string]string{"jwks_uri": doc.JWKS, "token_endpoint": doc.Token, "authorization_endpoint": doc.Auth} {
		if !strings.HasPrefix(endpoint, p.issuer+"/") {
			p.fail(check, "see that nothing between rewrites the document", "its %s is %q, which is not below the issuer", name, endpoint)
			return nil
		}
	}
	p.ok(check, "%s find it", who)
	return &doc
}

// protected looks for what tells clients of Deputy's own API where to get tokens.
func (p *patient) protected(ctx context.Context, address string) {
	const check = "discovery, resource"
	var doc document
	if err := p.found(ctx, address, &doc); err != nil {
		p.fail(check, passOn(err), "%s: %v", address, err)
		return
	}
	if doc.Resource != p.issuer+"/api/v1" || !slices.Contains(doc.Servers, p.issuer) {
		p.fail(check, "set DEPUTY_ISSUER to the URL that clients use", "%s speaks of %q and %v", address, doc.Resource, doc.Servers)
		return
	}
	p.ok(check, "clients of RFC 9728 find who issues tokens for the admin API")
}

func (p *patient) keys(ctx context.Context, address string) {
	const check = "jwks"
	var set jose.JSONWebKeySet
	if err := p.found(ctx, address, &set); err != nil {
		p.fail(check, passOn(err), "%s: %v", address, err)
		return
	}
	seen := map[string]bool{}
	for _, k := range set.Keys {
		switch {
		case !k.IsPublic() || !k.Valid():
			p.fail(check, "stop the server, and find out how this came about", "key %q is not a public key", k.KeyID)
			return
		case k.KeyID == "" || seen[k.KeyID]:
			p.fail(check, "see that nothing between rewrites the document", "keys cannot be told apart by kid %q", k.KeyID)
			return
		}
		seen[k.KeyID] = true
	}
	if len(seen) == 0 {
		p.fail(check, "deputy doctor local, on the server's machine", "there is no key")
		return
	}
	p.ok(check, "%d keys, which services verify tokens with", len(seen))
}

// readiness repeats what the server says of itself.
func (p *patient) readiness(ctx context.Context, address string) {
	var told struct {
		Checks map[string]struct{ Status, Detail string }
		Alarms int64
	}
	if _, err := p.get(ctx, address, &told); err != nil {
		var network *url.Error
		if errors.As(err, &network) {
			p.fail("readyz", passOn(err), "%v", err)
			return
		}
		p.warn("readyz", "ask where it can be reached, or with deputy healthcheck on the machine", "%s: %v", address, err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(told.Checks)) {
		switch one := told.Checks[name]; one.Status {
		case healthy:
			p.ok("server: "+name, "it says that this is well")
		case suspect:
			p.warn("server: "+name, "docs/signals.md", "%s", one.Detail)
		default:
			p.fail("server: "+name, "docs/signals.md, and the server's log", "%s", one.Detail)
		}
	}
	if told.Alarms > 0 {
		p.warn("server: alarms", "look for them in the server's log: they should never be", "%d since its start", told.Alarms)
	}
}
