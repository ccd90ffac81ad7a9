package oauth

import (
	"net/http"
	"net/url"
	"strings"
)

// LogoutRequest is how a client asks that the user signs out here, too
// (OpenID Connect RP-Initiated Logout section 2).
type LogoutRequest struct {
	Hint      string // id_token_hint
	ClientID  string
	Redirect  string // post_logout_redirect_uri
	State     string
	UILocales []string
}

// ParseLogout reads one from the query.
func ParseLogout(query string) (LogoutRequest, *Error) {
	f, problem := ParseForm(query)
	if problem != nil {
		return LogoutRequest{}, problem
	}
	for _, name := range []string{"client_id", "post_logout_redirect_uri", "state"} {
		if len(f.Get(name)) > maxParameter {
			return LogoutRequest{}, Errorf(InvalidRequest, "%s is longer than %d bytes.", name, maxParameter).Named("too_large")
		}
	}
	return LogoutRequest{
		Hint: f.Get("id_token_hint"), ClientID: f.Get("client_id"), Redirect: f.Get("post_logout_redirect_uri"), State: f.Get("state"),
		UILocales: strings.Fields(f.Get("ui_locales")),
	}, nil
}

// LogoutQuery is the request as the query of an address.
func LogoutQuery(r *http.Request) (string, *Error) {
	f, problem := ReadForm(r)
	return f.values.Encode(), problem
}

// AfterLogout is where the user goes back to: the registered URI, with the state.
func AfterLogout(uri, state string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || state == "" {
		return uri, err
	}
	if u.RawQuery != "" { // is kept as it was registered
		u.RawQuery += "&"
	}
	u.RawQuery += url.Values{"state": {state}}.Encode()
	return u.String(), nil
}
