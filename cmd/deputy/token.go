package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

type tokenCmd struct {
	Get      tokenGetCmd      `cmd:"" help:"Get a token of the client's own (client credentials) and print it."`
	Exchange tokenExchangeCmd `cmd:"" help:"Exchange a token for a narrower one (RFC 8693) and print it."`
	Inspect  tokenInspectCmd  `cmd:"" help:"Show what a token says, and check its signature."`
}

// who a token command acts as: an agent, by id and secret or by its name in the --dev world.
type actor struct {
	connection
	As string `help:"Name of an agent of the --dev world, instead of id and secret." placeholder:"NAME"`
}

func (a actor) remote() (*remote, error) {
	if a.As == "" && a.ClientID == "" {
		return nil, fmt.Errorf("who asks? give --client-id and --client-secret, or --as with the name of an agent of the --dev world")
	}
	if a.As == "" {
		return newRemote(a.URL, credentials{a.ClientID, string(a.ClientSecret)}), nil
	}
	w, err := readDevWorld(a.DataDir)
	if err != nil {
		return nil, fmt.Errorf("--as works with the world of serve --dev: %w", err)
	}
	who, ok := w.Cast[a.As]
	if !ok {
		return nil, fmt.Errorf("there is no %q in the --dev world", a.As)
	}
	return newRemote(a.URL, who), nil
}

type tokenGetCmd struct {
	actor
	Resource string `help:"Identifier of the resource server (RFC 8707)." placeholder:"URI"`
	Scope    string `help:"Scopes, separated by spaces."`
}

// Run prints the token on stdout and what it says on stderr.
func (c *tokenGetCmd) Run(ctx context.Context, io streams) error {
	r, err := c.remote()
	if err != nil {
		return err
	}
	t, err := r.clientCredentials(ctx, r.self, c.Resource, c.Scope)
	if err != nil {
		return err
	}
	return tell(io, t.Access)
}

type tokenExchangeCmd struct {
	actor
	Subject  string `arg:"" help:"The token to exchange, or - for standard input."`
	Resource string `help:"Identifier of the resource server (RFC 8707)." placeholder:"URI"`
	Scope    string `help:"Scopes, separated by spaces."`
}

// Run prints the token on stdout and what it says on stderr.
func (c *tokenExchangeCmd) Run(ctx context.Context, io streams) error {
	r, err := c.remote()
	if err != nil {
		return err
	}
	subject, err := readSecretArg(c.Subject)
	if err != nil {
		return err
	}
	t, err := r.exchange(ctx, r.self, subject, c.Resource, c.Scope, nil)
	if err != nil {
		return err
	}
	return tell(io, t.Access)
}

// tell prints a token for scripts and its claims for people.
func tell(io streams, raw string) error {
	claims, err := readClaims(raw)
	if err != nil {
		return err
	}
	fmt.Fprint(io.err, describe(claims, "  "))
	fmt.Fprintln(io.out, raw)
	return nil
}

type tokenInspectCmd struct {
	connection
	Token string `arg:"" help:"The token, or - for standard input."`
}

// Run decodes the token and checks its signature with the server's keys.
func (c *tokenInspectCmd) Run(ctx context.Context, io streams) error {
	raw, err := readSecretArg(c.Token)
	if err != nil {
		return err
	}
	header, claims, err := tokens.Peek(raw)
	if err != nil {
		return fmt.Errorf("this is not a JWT: %w", err)
	}
	for _, part := range []map[string]any{header, claims} {
		body, err := json.MarshalIndent(part, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(io.out, string(body))
	}
	if mine, err := readClaims(raw); err == nil {
		fmt.Fprint(io.out, describe(mine, ""))
	}
	if err := newRemote(c.URL, credentials{}).checkSignature(ctx, raw); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	fmt.Fprintln(io.out, "signature: good, by a key of "+c.URL)
	return nil
}

func (r *remote) checkSignature(ctx context.Context, raw string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.issuer+"/oauth2/jwks", nil)
	if err != nil {
		return err
	}
	var set jose.JSONWebKeySet
	if err := r.send(req, &set); err != nil {
		return err
	}
	object, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	for _, k := range set.Key(object.Signatures[0].Header.KeyID) {
		if _, err := object.Verify(k); err == nil {
			return nil
		}
	}
	return fmt.Errorf("by no key of %s", r.issuer)
}

func readClaims(raw string) (*tokens.Claims, error) {
	_, claims, err := tokens.Peek(raw)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	var c tokens.Claims
	return &c, json.NewDecoder(io.LimitReader(bytes.NewReader(body), 1<<20)).Decode(&c)
}

// describe tells a token in a few lines.
func describe(c *tokens.Claims, indent string) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%s%-9s %s\n", indent, name, value) }
	line("subject", c.Subject+" ("+c.SubProfile+")")
	line("chain", chainOf(c.Act, func(id string) string { return id }))
	line("audience", c.Audience)
	line("scope", c.Scope)
	line("expires", "in "+time.Until(time.Unix(c.Expires, 0)).Round(time.Second).String())
	return b.String()
}

// chainOf writes actors from the current one inwards.
func chainOf(act *oauth.Act, name func(string) string) string {
	if act == nil {
		return "(none: it speaks for itself)"
	}
	var names []string
	for a := act; a != nil; a = a.Act {
		names = append(names, name(a.Subject))
	}
	return strings.Join(names, " <- ")
}
