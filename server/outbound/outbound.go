// Package outbound is the one way in which Deputy calls addresses that others chose:
// no proxy, little time, little room, and no address that only this machine or its
// network can reach. It knows nothing of what is sent.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Bounds of one call.
const (
	timeout = 5 * time.Second
	// MaxAnswer is how much of an answer's body is read, in bytes; the rest is cut off.
	MaxAnswer = 1 << 20
	maxHeader = 64 << 10
)

// ErrPrivate: the address is none of the public network's.
var ErrPrivate = errors.New("the address is not a public one")

// Reach is what may be called beside the public internet.
type Reach struct {
	Loopback bool           // this machine, and there without TLS: for trying out
	Networks []netip.Prefix // the operator's own
}

// HTTP makes the client that stays within reach. It follows so many redirects, and
// none to another origin; with 0 a redirect is the answer.
func (r Reach) HTTP(redirects int) *http.Client {
	// The check is of the address that is about to be dialled, after the name was
	// resolved, so that no second answer of a resolver can replace it.
	dialer := &net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error { return r.dial(address) }}
	return &http.Client{
		Timeout: timeout,
		Transport: bounded{r, &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
			MaxResponseHeaderBytes: maxHeader, MaxConnsPerHost: 4, DisableKeepAlives: true,
		}},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			switch {
			case redirects == 0:
				return http.ErrUseLastResponse
			case len(via) > redirects || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme:
				return errors.New("redirected elsewhere")
			}
			return nil
		},
	}
}

// Allows tells whether an address may be called at all: https, or plain on this
// machine where that is in reach.
func (r Reach) Allows(u *url.URL) bool {
	if u.Scheme == "https" && u.Host != "" && u.User == nil {
		return true
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	return r.Loopback && u.Scheme == "http" && local
}

// bounded refuses what is not allowed, and cuts long answers off.
type bounded struct {
	reach Reach
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !b.reach.Allows(r.URL) {
		return nil, fmt.Errorf("%w, or not https: %s", ErrPrivate, r.URL.Redacted())
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, MaxAnswer), resp.Body}
	return resp, nil
}

// Client sends what nobody waits for an answer to.
type Client struct{ http *http.Client }

// New makes a Client. It follows no redirects.
func New(r Reach) *Client { return &Client{r.HTTP(0)} }

// PostForm sends a form and wants 200 or 204 for an answer.
func (c *Client) PostForm(ctx context.Context, to string, form url.Values) error {
	status, err := c.post(ctx, to, "application/x-www-form-urlencoded", nil, []byte(form.Encode()))
	if err == nil && status != http.StatusOK && status != http.StatusNoContent {
		err = fmt.Errorf("call: answered %d", status)
	}
	return err
}

// PostJSON sends JSON, with further headers, and returns the status of the answer,
// whatever that is.
func (c *Client) PostJSON(ctx context.Context, to string, header map[string]string, body []byte) (status int, err error) {
	return c.post(ctx, to, "application/json", header, body)
}

// Get reads what is at an address; anything but 200 is an error, and so is more than
// fits.
func (c *Client) Get(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("call: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("call: answered %d", resp.StatusCode)
	case len(body) == MaxAnswer:
		return nil, fmt.Errorf("call: answered with more than %d bytes", MaxAnswer-1)
	}
	return body, nil
}

// PostSET pushes a Security Event Token (RFC 8935 section 2.1) and returns the status of
// the answer, whatever that is.
func (c *Client) PostSET(ctx context.Context, to, set string) (status int, err error) {
	return c.post(ctx, to, "application/secevent+jwt", map[string]string{"Accept": "application/json"}, []byte(set))
}

func (c *Client) post(ctx context.Context, to, contentType string, header map[string]string, body []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("call: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("call: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("call: %w", err)
	}
	return resp.StatusCode, nil
}

// special are networks that are not the public internet though their addresses look
// as if they were (IANA special-purpose registries), or that carry other addresses.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// dial tells whether an address, with its port, may be connected to.
func (r Reach) dial(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrPrivate, address)
	}
	ip := at.Addr().WithZone("").Unmap()
	if r.Loopback && ip.IsLoopback() || public(ip) {
		return nil
	}
	for _, p := range r.Networks {
		if p.Contains(ip) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrPrivate, ip)
}

func public(ip netip.Addr) bool {
	open := ip.IsGlobalUnicast() && !ip.IsPrivate()
	for _, p := range special {
		open = open && !p.Contains(ip)
	}
	return open
}
