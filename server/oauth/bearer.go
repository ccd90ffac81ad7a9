package oauth

import (
	"net/http"
	"strings"
)

// Reasons, for the ledger, why a request has no usable bearer token.
const (
	BearerMissing   = "bearer_missing"
	BearerSeveral   = "bearer_several"
	BearerMalformed = "bearer_malformed"
)

// Bearer reads the one Authorization header (RFC 6750 section 2.1).
func Bearer(h http.Header) (token, reason string) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", BearerSeveral
	}
	scheme, token, _ := strings.Cut(strings.Join(values, ""), " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", BearerMissing
	case token == "" || strings.ContainsAny(token, " \t,"):
		return "", BearerMalformed
	}
	return token, ""
}

// BearerOrForm also takes the token from the form of a POST (RFC 6750 section 2.2),
// as OpenID Connect Core section 5.3.1 has clients send it. One way at a time.
func BearerOrForm(r *http.Request) (token, reason string) {
	token, reason = Bearer(r.Header)
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return token, reason
	}
	f, problem := ReadForm(r)
	switch {
	case problem != nil:
		return "", problem.Reason
	case f.Get("access_token") == "":
		return token, reason
	case len(r.Header.Values("Authorization")) > 0:
		return "", BearerSeveral
	}
	return f.Get("access_token"), ""
}
