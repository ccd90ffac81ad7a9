// Package oauth holds the words of the protocol: requests, responses, errors
// and metadata as the RFCs write them. It decides nothing and imports nothing
// of ours.
package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8693, RFC 8707, RFC 6750,
// RFC 9470, OpenID Connect Core section 3.1.2.6, CIBA Core sections 11 and 13, and
// RFC 8628 section 3.5.
const (
	InvalidRequest      = "invalid_request"
	InvalidClient       = "invalid_client"
	InvalidGrant        = "invalid_grant"
	LoginRequired       = "login_required"
	ConsentRequired     = "consent_required"
	UnmetAuthentication = "unmet_authentication_requirements"
	RequestNotSupported = "request_not_supported"
	InvalidRequestURI   = "invalid_request_uri"
	InvalidScope        = "invalid_scope"
	InvalidTarget       = "invalid_target"

	InvalidAuthorizationDetails = "invalid_authorization_details" // RFC 9396 section 5

	InvalidToken         = "invalid_token"
	InsufficientScope    = "insufficient_scope"
	UnauthorizedClient   = "unauthorized_client"
	UnsupportedGrantType = "unsupported_grant_type"
	UnsupportedTokenType = "unsupported_token_type"

	UnsupportedResponseType  = "unsupported_response_type"
	RequestURINotSupported   = "request_uri_not_supported"
	RegistrationNotSupported = "registration_not_supported"
	AccessDenied             = "access_denied"
	ServerError              = "server_error"
	TemporarilyUnavailable   = "temporarily_unavailable"

	AuthorizationPending  = "authorization_pending"
	SlowDown              = "slow_down"
	ExpiredToken          = "expired_token"
	UnknownUserID         = "unknown_user_id"
	ExpiredLoginHintToken = "expired_login_hint_token"
	MissingUserCode       = "missing_user_code"
	InvalidUserCode       = "invalid_user_code"
	InvalidBindingMessage = "invalid_binding_message"
)

// Error is an OAuth error response. Its cause stays inside: it is for the log.
type Error struct {
	Code        string
	Description string
	DecisionID  string // names the ledger entry, for whoever may read it
	Reason      string // machine-readable code, for the ledger
	Scope       string // for insufficient_scope
	Claimed     string // the client that an assertion names, unproven; for the ledger
	RetryAfter  int    // seconds; 0 if there is nothing to wait for
	status      int    // 0: what goes with Code
	cause       error
}

// Errorf makes an error with a description for the client. Characters that RFC
// 6749 does not allow in error_description are replaced.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: Clean(fmt.Sprintf(format, args...))}
}

// TooMany tells a caller to ask again later: 429 (RFC 6585 section 4). RFC 6749
// has no code of its own for it; the one for passing overload makes no client
// throw its credentials or tokens away.
func TooMany(wait time.Duration) *Error {
	e := Errorf(TemporarilyUnavailable, "Too many requests; wait as long as Retry-After says.")
	e.status, e.RetryAfter = http.StatusTooManyRequests, max(1, int((wait+time.Second-1)/time.Second))
	return e
}

// TooSoon tells a client that polls before its time (CIBA Core section 11, RFC 8628
// section 3.5): it waits longer from now on.
func TooSoon(interval time.Duration) *Error {
	e := Errorf(SlowDown, "Wait %d seconds between two requests for this.", int(interval/time.Second)).Named("slow_down")
	e.RetryAfter = int(interval / time.Second)
	return e
}

// Forbidden is the error with status 403, which the backchannel authentication
// endpoint gives for access_denied (CIBA Core section 13).
func (e *Error) Forbidden() *Error {
	with := *e
	with.status = http.StatusForbidden
	return &with
}

// Busy tells a caller that the server has as much to do as it takes on: 503.
func Busy() *Error {
	e := Errorf(TemporarilyUnavailable, "Too much is going on here; try again in a moment.")
	e.RetryAfter = 1
	return e
}

// Leaving tells a caller that the server is being stopped, and another answers: 503.
func Leaving() *Error {
	e := Errorf(TemporarilyUnavailable, "This server is shutting down; come again at once, and another one answers.")
	e.RetryAfter = 1
	return e
}

// Because attaches what really happened, for the log only.
func (e *Error) Because(cause error) *Error {
	with := *e
	with.cause = cause
	return &with
}

// Named gives the reason code under which the ledger keeps the refusal.
func (e *Error) Named(reason string) *Error {
	with := *e
	with.Reason = reason
	return &with
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Description + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Status is the HTTP status of the error.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	switch e.Code {
	case InvalidClient, InvalidToken:
		return http.StatusUnauthorized
	case InsufficientScope:
		return http.StatusForbidden
	case ServerError:
		return http.StatusInternalServerError
	case TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// Clean keeps a description within the characters of RFC 6749 section 5.2.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		}
		return r
	}, s)
}
