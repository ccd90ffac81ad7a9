package oauth

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// Ways a client can authenticate (token_endpoint_auth_method).
const (
	SecretBasic   = "client_secret_basic"
	SecretPost    = "client_secret_post"
	PrivateKeyJWT = "private_key_jwt"
	None          = "none" // a public client says who it is, and proves nothing
)

// AuthMethods lists those that prove something, as metadata does.
func AuthMethods() []string { return []string{SecretBasic, SecretPost, PrivateKeyJWT} }

// AssertionTypeJWT is the client_assertion_type of RFC 7523.
const AssertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ClientAuth is what a client sent to prove who it is. Nothing of it has been
// checked, and it is never logged.
type ClientAuth struct {
	Method    string
	ID        string // "" if only the assertion names the client
	Secret    string
	Assertion string
}

// ReadClient finds the one way in which the client authenticates. More than one
// is a bad request (RFC 6749 section 2.3). A name alone is what a public client
// sends (None); not even that is invalid_client.
func ReadClient(r *http.Request, f Form) (ClientAuth, *Error) {
	if len(r.Header.Values("Authorization")) > 1 {
		return ClientAuth{ID: f.Get("client_id")}, Errorf(InvalidRequest, "More than one Authorization header.").Named("several_authentications")
	}
	header := r.Header.Get("Authorization")
	inBody := f.Get("client_secret") != ""
	asserted := f.Get("client_assertion") != "" || f.Get("client_assertion_type") != ""
	switch {
	case (header != "" && inBody) || (header != "" && asserted) || (inBody && asserted):
		return ClientAuth{ID: f.Get("client_id")}, Errorf(InvalidRequest, "Authenticate in one way only.").Named("several_authentications")
	case header != "":
		return readBasic(header, f.Get("client_id"))
	case asserted:
		return readAssertion(f)
	case inBody && f.Get("client_id") != "":
		return ClientAuth{Method: SecretPost, ID: f.Get("client_id"), Secret: f.Get("client_secret")}, nil
	case f.Get("client_id") != "":
		return ClientAuth{Method: None, ID: f.Get("client_id")}, nil
	default:
		return ClientAuth{}, BadClient("no_credentials")
	}
}

// BadClient is the one answer to every failed authentication: it does not tell
// an unknown client from a wrong secret.
func BadClient(reason string) *Error {
	return Errorf(InvalidClient, "Client authentication failed.").Named(reason)
}

// readBasic decodes RFC 6749 section 2.3.1: both parts are form-encoded. Some
// clients do not encode; ours never need it, so both read the same.
func readBasic(header, bodyID string) (ClientAuth, *Error) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ClientAuth{ID: bodyID}, BadClient("unknown_scheme")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return ClientAuth{ID: bodyID}, BadClient("malformed_basic")
	}
	user, pass, ok := strings.Cut(string(raw), ":")
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(pass)
	if !ok || err1 != nil || err2 != nil || id == "" {
		return ClientAuth{ID: bodyID}, BadClient("malformed_basic")
	}
	if bodyID != "" && bodyID != id {
		return ClientAuth{ID: id}, Errorf(InvalidRequest, "client_id is not the client that authenticates.").Named("client_mismatch")
	}
	if secret == "" { // some libraries put the name of a public client here first
		return ClientAuth{Method: None, ID: id}, nil
	}
	return ClientAuth{Method: SecretBasic, ID: id, Secret: secret}, nil
}

func readAssertion(f Form) (ClientAuth, *Error) {
	a := ClientAuth{Method: PrivateKeyJWT, ID: f.Get("client_id"), Assertion: f.Get("client_assertion")}
	if f.Get("client_assertion_type") != AssertionTypeJWT || a.Assertion == "" {
		return a, Errorf(InvalidRequest, "client_assertion must come with client_assertion_type %s.", AssertionTypeJWT).Named("assertion_type")
	}
	return a, nil
}
