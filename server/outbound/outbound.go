// Package outbound is the one way in which Deputy calls addresses that others chose:
// no redirects, no proxy, little time, little room, and no address that only this
// machine or its network can reach. It knows nothing of what is sent.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Bounds of one call.
const (
	timeout = 5 * time.Second
	maxBody = 64 << 10 // of what is read of an answer
)

// ErrPrivate: the address is none of the public network's.
var ErrPrivate = errors.New("the address is not a public one")

// Client makes calls.
type Client struct{ http *http.Client }

// New makes a Client. local also lets it reach private addresses: for a server that
// itself is on a loopback address.
func New(local bool) *Client {
	dialer := &net.Dialer{Timeout: timeout}
	if !local {
		// The check is of the address that is about to be dialled, after the name was
		// resolved, so that no second answer of a resolver can replace it.
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return public(address) }
	}
	return &Client{&http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
			MaxResponseHeaderBytes: maxBody, MaxConnsPerHost: 4, DisableKeepAlives: true,
		},
	}}
}

// PostForm sends a form and wants 200 or 204 for an answer.
func (c *Client) PostForm(ctx context.Context, to string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("call: answered %d", resp.StatusCode)
	}
	return nil
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

// public tells whether an address, with its port, is one of the public network's.
func public(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrPrivate, address)
	}
	ip := at.Addr().WithZone("").Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return fmt.Errorf("%w: %s", ErrPrivate, ip)
	}
	for _, p := range special {
		if p.Contains(ip) {
			return fmt.Errorf("%w: %s", ErrPrivate, ip)
		}
	}
	return nil
}
