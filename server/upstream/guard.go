package upstream

import (
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

// Bounds of what is fetched from a provider.
const (
	maxAnswer = 1 << 20          // bytes
	patience  = 5 * time.Second  // for one answer
	longest   = 12 * time.Second // for everything that one sign-in fetches
)

// guarded is a client that fetches from the open internet and nowhere else: what
// addresses a provider publishes must not turn Deputy against its own network.
// With loopback, this machine is allowed too, for development.
func guarded(loopback bool) *http.Client {
	dialer := &net.Dialer{Timeout: patience, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return reachable(at.Addr(), loopback)
	}}
	return &http.Client{
		Timeout: patience,
		Transport: bounded{loopback: loopback, next: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience,
			MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
		}},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if len(via) > 3 || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
				return errors.New("redirected elsewhere")
			}
			return nil
		},
	}
}

// special are networks that are no part of the internet, beside those that netip
// can tell (RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

func reachable(at netip.Addr, loopback bool) error {
	at = at.Unmap()
	if at.IsLoopback() && loopback {
		return nil
	}
	open := at.IsGlobalUnicast() && !at.IsPrivate()
	for _, net := range special {
		open = open && !net.Contains(at)
	}
	if !open {
		return fmt.Errorf("%s is no address of the internet", at)
	}
	return nil
}

// bounded refuses addresses that are not https, and cuts long answers off.
type bounded struct {
	loopback bool
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !secure(r.URL, b.loopback) {
		return nil, fmt.Errorf("%s is not https", r.URL.Redacted())
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// secure: https, or plain on this machine where that is allowed.
func secure(u *url.URL, loopback bool) bool {
	if u.Scheme == "https" && u.Host != "" && u.User == nil {
		return true
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	return loopback && u.Scheme == "http" && local
}

func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, longest)
}
