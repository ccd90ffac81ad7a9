package oauth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// BackchannelRequest is an authentication request of CIBA Core section 7.1, or a
// device authorization request of RFC 8628 section 3.1, read and checked for syntax.
type BackchannelRequest struct {
	Client    ClientAuth
	Scopes    []string
	Details   []json.RawMessage // authorization_details (RFC 9396); see ParseDetails
	Resources []string          // RFC 8707, as sent

	// The rest is of CIBA.
	Object            string // a signed request object, which then holds all else
	LoginHint         string
	IDTokenHint       string
	LoginHintToken    string
	Message           string // binding_message: the agent's words
	UserCode          string
	ACRValues         []string
	Expiry            int64  // requested_expiry in seconds, 0 if left out
	NotificationToken string // client_notification_token

	// Approve is the grant type of a token request that the client asks somebody to
	// approve, "" if it asks for a token of theirs. It is ours; so is a subject token
	// here, which is the one that the request would exchange.
	Approve      string
	SubjectToken string
}

// Bounds of how long a request may wait for its answer, in seconds.
const (
	ShortestExpiry = 1
	LongestExpiry  = 3600
)

// LongestMessage is how many characters a binding message may have: it must fit on
// a phone, beside what it is to be compared with.
const LongestMessage = 140

// ParseBackchannel reads an authentication request (CIBA Core section 7.1).
func ParseBackchannel(r *http.Request) (BackchannelRequest, *Error) {
	req, f, problem := readBackchannel(r)
	if problem != nil {
		return req, problem
	}
	if req.Object = f.Get("request"); req.Object != "" {
		if name, sent := f.Any(backchannelParameters...); sent {
			return req, Errorf(InvalidRequest, "Parameter %s belongs into the request object, where there is one.", name).Named("misplaced_parameter")
		}
		return req, nil
	}
	return req, req.read(f)
}

// backchannelParameters have no place beside a request object (CIBA Core section 7.1.1).
var backchannelParameters = []string{
	"scope", "resource", "audience", "authorization_details", "login_hint", "id_token_hint", "login_hint_token", "binding_message", "user_code",
	"requested_expiry", "acr_values", "client_notification_token", "approve", "subject_token", "subject_token_type",
}

// Unsigned reads what a request object says, whose signature holds.
func (req BackchannelRequest) Unsigned(f Form) (BackchannelRequest, *Error) {
	if problem := req.readCommon(f); problem != nil {
		return req, problem
	}
	return req, req.read(f)
}

func (req *BackchannelRequest) read(f Form) *Error {
	req.LoginHint, req.IDTokenHint, req.LoginHintToken = f.Get("login_hint"), f.Get("id_token_hint"), f.Get("login_hint_token")
	req.Message, req.UserCode, req.NotificationToken = f.Get("binding_message"), f.Get("user_code"), f.Get("client_notification_token")
	req.ACRValues = strings.Fields(f.Get("acr_values"))
	req.Approve, req.SubjectToken = f.Get("approve"), f.Get("subject_token")
	if problem := req.checkApprove(f.Get("subject_token_type")); problem != nil {
		return problem
	}
	return req.check(f.Get("requested_expiry"))
}

// checkApprove: what an exchange needs to be understood comes with it, and with nothing
// else.
func (req *BackchannelRequest) checkApprove(subjectTokenType string) *Error {
	switch req.Approve {
	case TokenExchange:
		switch {
		case req.SubjectToken == "":
			return Errorf(InvalidRequest, "subject_token is missing.").Named("subject_token_missing")
		case subjectTokenType != TypeAccessToken:
			return Errorf(InvalidRequest, "subject_token_type must be %s: only access tokens are exchanged.", TypeAccessToken).Named("subject_token_type")
		}
		return nil
	case "", ClientCredentials:
		if req.SubjectToken != "" || subjectTokenType != "" {
			return Errorf(InvalidRequest, "A subject token has a meaning only with approve=%s.", TokenExchange).Named("misplaced_parameter")
		}
		return nil
	}
	return Errorf(InvalidRequest, "approve must be %s or %s.", ClientCredentials, TokenExchange).Named("approve_unknown")
}

// ParseDevice reads a device authorization request (RFC 8628 section 3.1).
func ParseDevice(r *http.Request) (BackchannelRequest, *Error) {
	req, _, problem := readBackchannel(r)
	return req, problem
}

func readBackchannel(r *http.Request) (req BackchannelRequest, f Form, problem *Error) {
	if f, problem = ReadForm(r); problem != nil {
		return req, f, problem
	}
	if req.Client, problem = ReadClient(r, f); problem != nil {
		return req, f, problem
	}
	return req, f, req.readCommon(f)
}

// readCommon reads what is asked for, whoever is asked.
func (req *BackchannelRequest) readCommon(f Form) (problem *Error) {
	if req.Resources = f.All("resource"); len(req.Resources) > 16 {
		return Errorf(InvalidTarget, "Too many resources.").Named("too_large")
	}
	if req.Scopes, problem = ParseScope(f.Get("scope")); problem != nil {
		return problem
	}
	req.Details, problem = ParseDetails(f.Get("authorization_details"))
	return problem
}

func (req *BackchannelRequest) check(expiry string) *Error {
	hints := 0
	for _, hint := range []string{req.LoginHint, req.IDTokenHint, req.LoginHintToken} {
		if hint != "" {
			hints++
		}
		if len(hint) > maxHint {
			return Errorf(InvalidRequest, "The hint is longer than %d bytes.", maxHint).Named("too_large")
		}
	}
	switch {
	case hints != 1:
		return Errorf(InvalidRequest, "Exactly one of login_hint, id_token_hint and login_hint_token says who is to be asked.").Named("hints")
	case len(req.ACRValues) > 16:
		return Errorf(InvalidRequest, "Too many acr_values.").Named("too_large")
	case len(req.NotificationToken) > 1024:
		return Errorf(InvalidRequest, "client_notification_token is longer than 1024 characters.").Named("notification_token")
	}
	if expiry != "" {
		n, err := strconv.ParseInt(expiry, 10, 64)
		if err != nil || n < ShortestExpiry {
			return Errorf(InvalidRequest, "requested_expiry must be a positive number of seconds.").Named("requested_expiry")
		}
		req.Expiry = min(n, LongestExpiry)
	}
	return CheckMessage(req.Message)
}

// CheckMessage holds a binding message to what people can read and compare: a short
// line of letters, digits and plain punctuation. Links and markup, and characters that
// cannot be seen or that turn the line around, are for those who mislead.
func CheckMessage(s string) *Error {
	problem := func(why string) *Error {
		return Errorf(InvalidBindingMessage, "binding_message %s.", why).Named("binding_message")
	}
	switch {
	case !utf8.ValidString(s):
		return problem("is not UTF-8")
	case utf8.RuneCountInString(s) > LongestMessage:
		return problem("is longer than " + strconv.Itoa(LongestMessage) + " characters")
	case strings.Contains(s, "://") || strings.Contains(strings.ToLower(s), "www."):
		return problem("holds a link")
	}
	for _, r := range s {
		if r != ' ' && !unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.Sc, unicode.Mn) && !strings.ContainsRune("+=~^", r) || strings.ContainsRune("<>`\\{}", r) {
			return problem("holds a character that is not a letter, a digit, a blank or plain punctuation")
		}
	}
	return nil
}

// Backchannel answers an authentication request (CIBA Core section 7.3).
type Backchannel struct {
	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int64  `json:"expires_in"`         // seconds
	Interval  int64  `json:"interval,omitempty"` // seconds between two requests for it
	// CompareCode is shown to the person as well: an agent that can show something
	// shows it, so that they see that both mean the same request. It is ours.
	CompareCode string `json:"compare_code"`
}

// Device answers a device authorization request (RFC 8628 section 3.2).
type Device struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"` // seconds
	Interval                int64  `json:"interval"`   // seconds
}
