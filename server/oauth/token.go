package oauth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Grant types.
const (
	ClientCredentials = "client_credentials"
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	TokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
	CIBA              = "urn:openid:params:grant-type:ciba"
	DeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
)

// GrantTypes lists them, as metadata does.
func GrantTypes() []string {
	return []string{AuthorizationCode, RefreshToken, ClientCredentials, TokenExchange, CIBA, DeviceCode}
}

// Token types of RFC 8693 section 3.
const (
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	TypeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// TokenRequest is a request to the token endpoint, read and checked for syntax.
type TokenRequest struct {
	GrantType string
	Client    ClientAuth
	Scopes    []string          // as sent, without repetitions
	Resources []string          // RFC 8707 resource and RFC 8693 audience, as sent
	Details   []json.RawMessage // authorization_details (RFC 9396); see ParseDetails

	SubjectToken       string
	SubjectTokenType   string
	ActorToken         string
	ActorTokenType     string
	RequestedTokenType string

	Code         string
	RedirectURI  string
	Verifier     string // code_verifier of RFC 7636
	RefreshToken string
	AuthReqID    string // of CIBA Core section 10.1, or, with a machine grant, of what was approved for it
	DeviceCode   string // of RFC 8628 section 3.4
}

// TokenResponse is the answer of RFC 6749 section 5.1 and RFC 8693 section 2.2.1.
type TokenResponse struct {
	AccessToken     string            `json:"access_token"`
	IssuedTokenType string            `json:"issued_token_type,omitempty"`
	TokenType       string            `json:"token_type"`
	ExpiresIn       int64             `json:"expires_in"` // seconds
	Scope           string            `json:"scope"`
	Details         []json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396 section 7
	RefreshToken    string            `json:"refresh_token,omitempty"`
	IDToken         string            `json:"id_token,omitempty"` // OpenID Connect Core section 3.1.3.3
}

// exchangeOnly parameters mean something to token exchange alone. Elsewhere they
// are refused, not ignored: whoever sends one believes that it binds the token.
var exchangeOnly = []string{"subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "requested_subject"}

// carriers are the parameters in which a person's grant comes, by grant type.
// Elsewhere they are refused too: a secret that is not used should not be sent. What was
// approved for a machine grant is brought with that.
var carriers = map[string][]string{
	AuthorizationCode: {"code", "code_verifier"}, RefreshToken: {"refresh_token"}, CIBA: {"auth_req_id"}, DeviceCode: {"device_code"},
}

// ParseTokenRequest is the only reader of token requests. On an error it returns
// what it had understood so far, for the ledger.
func ParseTokenRequest(r *http.Request) (TokenRequest, *Error) {
	f, problem := ReadForm(r)
	if problem != nil {
		return TokenRequest{}, problem
	}
	req := named(f)
	if req.Client, problem = ReadClient(r, f); problem != nil {
		return req, problem
	}
	problem = req.read(f)
	return req, problem
}

// TokenRequestOf reads a token request of which it is known who would send it.
func TokenRequestOf(f Form) (TokenRequest, *Error) {
	req := named(f)
	problem := req.read(f)
	return req, problem
}

// named is what a form says in so many words.
func named(f Form) TokenRequest {
	return TokenRequest{
		GrantType: f.Get("grant_type"), Resources: slices.Concat(f.All("resource"), f.All("audience")),
		SubjectToken: f.Get("subject_token"), SubjectTokenType: f.Get("subject_token_type"),
		ActorToken: f.Get("actor_token"), ActorTokenType: f.Get("actor_token_type"),
		RequestedTokenType: f.Get("requested_token_type"),
		Code:               f.Get("code"), RedirectURI: f.Get("redirect_uri"), Verifier: f.Get("code_verifier"), RefreshToken: f.Get("refresh_token"),
		AuthReqID: f.Get("auth_req_id"), DeviceCode: f.Get("device_code"),
	}
}

// read checks the syntax of all that is not about who sends the request.
func (req *TokenRequest) read(f Form) *Error {
	if req.GrantType == "" {
		return Errorf(InvalidRequest, "grant_type is missing.").Named("grant_type_missing")
	}
	var problem *Error
	if req.Scopes, problem = ParseScope(f.Get("scope")); problem != nil {
		return problem
	}
	if req.Details, problem = ParseDetails(f.Get("authorization_details")); problem != nil {
		return problem
	}
	if len(req.Resources) > 16 {
		return Errorf(InvalidTarget, "Too many resources; a token is for one.").Named("too_large")
	}
	for grant, names := range carriers {
		if name, sent := f.Any(names...); sent && grant != req.GrantType && (grant != CIBA || !machine(req.GrantType)) {
			return misplaced(name, req.GrantType)
		}
	}
	if req.GrantType == TokenExchange {
		return checkExchange(*req, f)
	}
	if name, sent := f.Any(exchangeOnly...); sent {
		return misplaced(name, req.GrantType)
	}
	switch {
	case req.GrantType == AuthorizationCode && req.Code == "":
		return Errorf(InvalidRequest, "code is missing.").Named("code_missing")
	case req.GrantType == CIBA && req.AuthReqID == "":
		return Errorf(InvalidRequest, "auth_req_id is missing.").Named("auth_req_id_missing")
	case req.GrantType == DeviceCode && req.DeviceCode == "":
		return Errorf(InvalidRequest, "device_code is missing.").Named("device_code_missing")
	case req.GrantType == RefreshToken && req.RefreshToken == "":
		return Errorf(InvalidRequest, "refresh_token is missing.").Named("refresh_token_missing")
	}
	return nil
}

// machine tells the grants in which no person has a part, unless policy wants one to.
func machine(grantType string) bool {
	return grantType == ClientCredentials || grantType == TokenExchange
}

func misplaced(name, grant string) *Error {
	return Errorf(InvalidRequest, "Parameter %s has no meaning with grant_type %s.", name, short(grant)).Named("misplaced_parameter")
}

// checkExchange is RFC 8693 section 2.1.
func checkExchange(req TokenRequest, f Form) *Error {
	switch {
	case f.Get("requested_subject") != "":
		return Errorf(InvalidRequest, "requested_subject is not supported: the subject is the subject token's.").Named("misplaced_parameter")
	case req.SubjectToken == "":
		return Errorf(InvalidRequest, "subject_token is missing.").Named("subject_token_missing")
	case req.SubjectTokenType != TypeAccessToken:
		return Errorf(InvalidRequest, "subject_token_type must be %s: only access tokens are exchanged.", TypeAccessToken).Named("subject_token_type")
	case (req.ActorToken == "") != (req.ActorTokenType == ""):
		return Errorf(InvalidRequest, "actor_token and actor_token_type belong together.").Named("actor_token_type")
	case req.ActorToken != "" && req.ActorTokenType != TypeAccessToken:
		return Errorf(InvalidRequest, "actor_token_type must be %s.", TypeAccessToken).Named("actor_token_type")
	case req.RequestedTokenType != "" && req.RequestedTokenType != TypeAccessToken && req.RequestedTokenType != TypeJWT:
		return Errorf(InvalidRequest, "requested_token_type must be %s.", TypeAccessToken).Named("requested_token_type")
	}
	return nil
}

// MaxScopes in one request.
const MaxScopes = 200

// secretPrefixes begin the secrets of this server. What was asked for is written into
// the ledger, so that a client which sends one as a scope is stopped before.
var secretPrefixes = []string{"dpt_", "deputy_sk_"}

// ParseScope splits a scope parameter (RFC 6749 section 3.3), dropping repetitions.
func ParseScope(s string) ([]string, *Error) {
	out := []string{}
	for _, token := range strings.Split(s, " ") {
		if token == "" || slices.Contains(out, token) {
			continue
		}
		if len(token) > 128 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return nil, Errorf(InvalidScope, "scope holds a character that no scope has, or a name of more than 128 characters.").Named("scope_malformed")
		}
		if slices.ContainsFunc(secretPrefixes, func(p string) bool { return strings.HasPrefix(token, p) }) {
			return nil, Errorf(InvalidScope, "scope holds what looks like a secret of this server's, such as a code or refresh token. It should be replaced.").Named("secret_misplaced")
		}
		if len(out) == MaxScopes {
			return nil, Errorf(InvalidScope, "More than %d scopes.", MaxScopes).Named("too_large")
		}
		out = append(out, token)
	}
	return out, nil
}

// TokenQuery is a request of introspection (RFC 7662 section 2.1) or revocation
// (RFC 7009 section 2.1).
type TokenQuery struct {
	Client ClientAuth
	Token  string
	Hint   string
}

// ParseTokenQuery reads either.
func ParseTokenQuery(r *http.Request) (TokenQuery, *Error) {
	f, problem := ReadForm(r)
	if problem != nil {
		return TokenQuery{}, problem
	}
	q := TokenQuery{Token: f.Get("token"), Hint: f.Get("token_type_hint")}
	if q.Client, problem = ReadClient(r, f); problem != nil {
		return q, problem
	}
	if q.Token == "" {
		return q, Errorf(InvalidRequest, "token is missing.").Named("token_missing")
	}
	return q, nil
}

// Act is the actor claim of RFC 8693 section 4.1, the current actor outermost.
type Act struct {
	Subject string `json:"sub"`
	Profile string `json:"sub_profile,omitempty"`
	Act     *Act   `json:"act,omitempty"`
}

// Introspection is the answer of RFC 7662 section 2.2. All but Active is left
// out of an inactive one.
type Introspection struct {
	Active        bool   `json:"active"`
	Issuer        string `json:"iss,omitempty"`
	Subject       string `json:"sub,omitempty"`
	SubProfile    string `json:"sub_profile,omitempty"`
	Audience      string `json:"aud,omitempty"`
	ClientID      string `json:"client_id,omitempty"`
	ClientProfile string `json:"client_profile,omitempty"`
	Scope         string `json:"scope,omitempty"`
	TokenType     string `json:"token_type,omitempty"`
	ID            string `json:"jti,omitempty"`
	Txn           string `json:"txn,omitempty"`
	GrantID       string `json:"gid,omitempty"`
	IssuedAt      int64  `json:"iat,omitempty"`
	Expires       int64  `json:"exp,omitempty"`
	Act           *Act   `json:"act,omitempty"`

	Details []json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396 section 9.2

	// How the user signed in (RFC 9470 section 6.2).
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
}
