package models

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// Bounds of what a client may register.
const (
	maxRedirects    = 20
	maxRedirectSize = 2000
)

// checkRedirects holds where people may be sent back to (RFC 6749 section 3.1.2,
// RFC 8252 section 7): https, http on the person's own machine, or, for an
// application, a scheme of its own. Registered URIs are compared as they are, so
// nothing that browsers and servers read differently may be in one.
func checkRedirects(field, kind string, uris []string) error {
	if len(uris) > maxRedirects {
		return invalid(field, "at most %d", maxRedirects)
	}
	for i, uri := range uris {
		if problem := redirectProblem(kind, uri); problem != "" {
			return invalid(field, "%q %s", shortened(uri), problem)
		}
		if slices.Contains(uris[:i], uri) {
			return invalid(field, "%q is there twice", shortened(uri))
		}
	}
	return nil
}

// checkBackchannel holds where Deputy itself calls a client: https, or http on its own
// machine. What address that leads to is looked at when it is called.
func checkBackchannel(field, uri string) error {
	if uri == "" {
		return nil
	}
	if problem := redirectProblem(KindAgent, uri); problem != "" {
		return invalid(field, "%q %s", shortened(uri), problem)
	}
	return nil
}

// redirectProblem says what is wrong with a redirect URI, "" if nothing is.
func redirectProblem(kind, uri string) string {
	if len(uri) > maxRedirectSize {
		return "is too long"
	}
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`\"<>^{|}*`+"`", r) }) {
		return "holds a character that no URI has, or a wildcard"
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return "is not an absolute URI"
	case strings.Contains(uri, "#"):
		return "has a fragment"
	case u.User != nil || strings.Contains(u.Host, "@"):
		return "names a user"
	case oddPath(u.EscapedPath()):
		return "has a path that could be read as another"
	case u.Scheme == "https":
		return hostProblem(u)
	case u.Scheme == "http":
		if !IsLoopback(u.Hostname()) {
			return "is http, which is for 127.0.0.1, [::1] and localhost only"
		}
		return hostProblem(u)
	case kind == KindApplication && strings.Contains(u.Scheme, "."):
		return ""
	case kind == KindApplication:
		return "has a scheme that is neither https nor the application's own, such as com.example.app"
	}
	return "must be https, or http on a loopback address"
}

func hostProblem(u *url.URL) string {
	if u.Opaque != "" || u.Hostname() == "" || strings.Contains(u.Host, "%") {
		return "names no host"
	}
	return ""
}

// oddPath tells of a path with dot segments, parameters in a segment, empty
// segments, or separators in disguise.
func oddPath(path string) bool {
	lower := strings.ToLower(path)
	for _, hidden := range []string{"%2f", "%5c", "%2e", "%3b", "%00", ";", "//"} {
		if strings.Contains(lower, hidden) {
			return true
		}
	}
	return slices.ContainsFunc(strings.Split(path, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}

// IsLoopback reports whether a host, as url.URL gives it, is the person's own machine.
func IsLoopback(host string) bool {
	return host == "127.0.0.1" || host == "::1" || host == "localhost"
}

// RedirectsDigest names a set of redirect URIs, whatever their order. A consent
// keeps it: where codes go is part of whom a person trusted.
func RedirectsDigest(uris []string) string {
	sorted := slices.Sorted(slices.Values(uris))
	sum := sha256.Sum256([]byte(strings.Join(sorted, "\n"))) // no line end is in a URI
	return hex.EncodeToString(sum[:])
}

func shortened(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
