package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AuthorizationRequest is a request of OAuth 2.1 section 4.1.1, read and checked for
// syntax, with the parameters of OpenID Connect Core section 3.1.2.1 that Deputy knows.
type AuthorizationRequest struct {
	ClientID     string
	RedirectURI  string // "" if left out
	ResponseType string
	State        string
	Nonce        string
	Scopes       []string
	Details      []json.RawMessage // authorization_details (RFC 9396); see ParseDetails
	Resources    []string          // RFC 8707, as sent
	Challenge    string            // code_challenge, S256
	PKCE         string            // PKCEFound | PKCEMissing | PKCEPlain
	Prompt       []string
	MaxAge       *int64 // seconds, nil if left out
	ACRValues    []string
	LoginHint    string
	Hint         string // id_token_hint
	UILocales    []string
	RequestURI   string // of a request that was pushed (RFC 9126)
	ResponseMode string
	ClientInForm ClientAuth // of a pushed request: how the client authenticates
}

// What an authorization request says of its challenge (RFC 7636).
const (
	PKCEFound   = "ok"
	PKCEMissing = "missing"
	PKCEPlain   = "plain" // which protects nothing
)

// RequestURIPrefix begins the names of pushed requests.
const RequestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// maxParameter bounds state, nonce and hints, which are kept until the user is done.
const maxParameter = 2048

// maxHint bounds an ID token that comes back as a hint, which is read and not kept.
const maxHint = 8 << 10

// prompts of OpenID Connect Core section 3.1.2.1. Others are refused: whoever sends
// one believes that the user will be asked something.
var prompts = []string{"none", "login", "consent", "select_account"}

// ParseAuthorizationQuery reads a request to the authorization endpoint. On an error
// it returns what it had understood so far: whether the client may be told by a
// redirect hangs from that. Unknown parameters are ignored (OAuth 2.1 section 3.1).
func ParseAuthorizationQuery(query string) (AuthorizationRequest, *Error) {
	f, problem := ParseForm(query)
	if problem != nil {
		return AuthorizationRequest{}, problem
	}
	req := identified(f)
	uri := f.Get("request_uri")
	switch {
	case f.Get("request") != "":
		return req, noRequestObjects()
	case uri == "":
		return req, req.read(f)
	case !strings.HasPrefix(uri, RequestURIPrefix):
		return req, Errorf(RequestURINotSupported, "request_uri must be one of this server's; nothing is fetched.").Named("request_uri_not_supported")
	case req.ClientID == "" || len(uri) > 200:
		return req, Errorf(InvalidRequest, "request_uri must be one of this server's, with the client_id that pushed it.").Named("request_uri")
	}
	req.RequestURI = uri
	return req, nil // nothing else counts (RFC 9126 section 4)
}

func noRequestObjects() *Error {
	return Errorf(RequestNotSupported, "Request objects are not supported; push the request instead (RFC 9126).").Named("request_not_supported")
}

// Pushed answers a pushed authorization request (RFC 9126 section 2.2).
type Pushed struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// ParsePushed reads a pushed authorization request (RFC 9126 section 2.1).
func ParsePushed(r *http.Request) (AuthorizationRequest, *Error) {
	f, problem := ReadForm(r)
	if problem != nil {
		return AuthorizationRequest{}, problem
	}
	req := identified(f)
	if req.ClientInForm, problem = ReadClient(r, f); problem != nil {
		return req, problem
	}
	switch {
	case f.Get("request_uri") != "":
		return req, Errorf(InvalidRequest, "request_uri has no place in a pushed request.").Named("misplaced_parameter")
	case f.Get("request") != "":
		return req, noRequestObjects()
	}
	req.ClientID = orElse(req.ClientID, req.ClientInForm.ID)
	return req, req.read(f)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// identified is who asks, and where the answer would go.
func identified(f Form) AuthorizationRequest {
	return AuthorizationRequest{
		ClientID: f.Get("client_id"), RedirectURI: f.Get("redirect_uri"), State: f.Get("state"), ResponseMode: f.Get("response_mode"),
		ResponseType: f.Get("response_type"), PKCE: PKCEMissing,
	}
}

func (req *AuthorizationRequest) read(f Form) *Error {
	for _, name := range []string{"state", "nonce", "login_hint", "redirect_uri", "client_id"} {
		if len(f.Get(name)) > maxParameter {
			return Errorf(InvalidRequest, "%s is longer than %d bytes.", name, maxParameter).Named("too_large")
		}
	}
	switch {
	case f.Get("registration") != "":
		return Errorf(RegistrationNotSupported, "Clients are registered beforehand.").Named("registration_not_supported")
	case req.ClientID == "":
		return Errorf(InvalidRequest, "client_id is missing.").Named("client_id_missing")
	case req.ResponseType == "":
		return Errorf(InvalidRequest, "response_type is missing.").Named("response_type_missing")
	case req.ResponseType != "code":
		return Errorf(UnsupportedResponseType, "response_type must be code.").Named("response_type")
	case req.ResponseMode != "" && req.ResponseMode != "query":
		return Errorf(InvalidRequest, "response_mode must be query.").Named("response_mode")
	}
	if req.Hint = f.Get("id_token_hint"); len(req.Hint) > maxHint {
		return Errorf(InvalidRequest, "id_token_hint is longer than %d bytes.", maxHint).Named("too_large")
	}
	req.Nonce, req.LoginHint, req.UILocales = f.Get("nonce"), f.Get("login_hint"), strings.Fields(f.Get("ui_locales"))
	req.Resources, req.ACRValues = f.All("resource"), strings.Fields(f.Get("acr_values"))
	if len(req.Resources) > 16 || len(req.ACRValues) > 16 || len(req.UILocales) > 16 {
		return Errorf(InvalidRequest, "Too many resources, acr_values or ui_locales.").Named("too_large")
	}
	var problem *Error
	if req.Scopes, problem = ParseScope(f.Get("scope")); problem != nil {
		return problem
	}
	if req.Details, problem = ParseDetails(f.Get("authorization_details")); problem != nil {
		return problem
	}
	if problem = req.readPrompt(f); problem != nil {
		return problem
	}
	return req.readChallenge(f)
}

func (req *AuthorizationRequest) readPrompt(f Form) *Error {
	req.Prompt = strings.Fields(f.Get("prompt"))
	for _, p := range req.Prompt {
		if !slices.Contains(prompts, p) {
			return Errorf(InvalidRequest, "prompt must be of %s.", strings.Join(prompts, ", ")).Named("prompt")
		}
	}
	if len(req.Prompt) > 1 && slices.Contains(req.Prompt, "none") {
		return Errorf(InvalidRequest, "prompt none stands alone.").Named("prompt")
	}
	if raw := f.Get("max_age"); raw != "" {
		age, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || age < 0 || raw[0] == '+' {
			return Errorf(InvalidRequest, "max_age must be a number of seconds.").Named("max_age")
		}
		req.MaxAge = &age
	}
	return nil
}

// readChallenge finds an S256 challenge. That there must be one is policy's to say;
// but what cannot be one is refused here (RFC 7636 section 4.2).
func (req *AuthorizationRequest) readChallenge(f Form) *Error {
	challenge, method := f.Get("code_challenge"), f.Get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return Errorf(InvalidRequest, "code_challenge_method comes without code_challenge.").Named("code_challenge")
	case challenge == "":
		return nil
	case method == "" || method == "plain":
		req.PKCE = PKCEPlain
		return nil
	case method != "S256":
		return Errorf(InvalidRequest, "code_challenge_method must be S256.").Named("code_challenge_method")
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(raw) != sha256.Size {
		return Errorf(InvalidRequest, "code_challenge is no SHA-256 in base64url.").Named("code_challenge")
	}
	req.Challenge, req.PKCE = challenge, PKCEFound
	return nil
}

// CheckVerifier tells what a code_verifier proves of a challenge: "ok", "missing",
// "wrong", or "unexpected" where there was no challenge (OAuth 2.1 section 4.1.3).
func CheckVerifier(challenge, verifier string) string {
	switch {
	case challenge == "" && verifier == "":
		return "missing"
	case challenge == "":
		return "unexpected"
	case verifier == "":
		return "missing"
	}
	sum := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(sum[:])
	if !wellFormedVerifier(verifier) || subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) != 1 {
		return "wrong"
	}
	return "ok"
}

// wellFormedVerifier is RFC 7636 section 4.1.
func wellFormedVerifier(v string) bool {
	return len(v) >= 43 && len(v) <= 128 && !strings.ContainsFunc(v, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~", r))
	})
}

// MatchRedirect finds the redirect URI a request means among those a client has
// registered. It is compared as it is, byte by byte, but for the port of a loopback
// address, which a native application learns when it starts (RFC 8252 section 7.3).
// A request that names none means the only one there is.
func MatchRedirect(registered []string, sent string) (uri string, ok bool) {
	if sent == "" {
		if len(registered) == 1 {
			return registered[0], true
		}
		return "", false
	}
	if slices.Contains(registered, sent) {
		return sent, true
	}
	portless, ok := withoutLoopbackPort(sent)
	if !ok {
		return "", false
	}
	for _, r := range registered {
		if other, loopback := withoutLoopbackPort(r); loopback && other == portless {
			return sent, true
		}
	}
	return "", false
}

// withoutLoopbackPort cuts the port out of an http URI on the person's own machine,
// and nothing else: what is left is the text that was there.
func withoutLoopbackPort(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", false
	}
	end := strings.IndexAny(rest, "/?#\\@")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if strings.ContainsAny(rest, "\\@#") {
		return "", false
	}
	if name, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strings.TrimLeft(port, "0") != port {
			return "", false
		}
		host = name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
	}
	switch host {
	case "127.0.0.1", "[::1]", "localhost":
		return "http://" + host + path, true
	}
	return "", false
}

// Redirect is the answer to an authorization request: where the user is sent, with
// the issuer in success and error alike (RFC 9207).
func Redirect(uri, issuer, state string, answer url.Values) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	own := url.Values{"iss": {issuer}}
	if state != "" {
		own.Set("state", state)
	}
	for name, values := range answer {
		own[name] = values
	}
	if u.RawQuery != "" { // is kept as it was registered
		u.RawQuery += "&"
	}
	u.RawQuery += own.Encode()
	return u.String(), nil
}
