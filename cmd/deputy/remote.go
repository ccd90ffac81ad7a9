package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// connection says which server a command talks to, and as whom.
type connection struct {
	URL          string `env:"DEPUTY_URL" default:"http://localhost:8080" help:"The server's issuer URL."`
	ClientID     string `env:"DEPUTY_CLIENT_ID" help:"Who asks (default: what --dev set up in ./data)." placeholder:"ID"`
	ClientSecret Secret `env:"DEPUTY_CLIENT_SECRET" help:"Its secret." placeholder:"SECRET"`
	DataDir      string `name:"data-dir" env:"DEPUTY_DATA_DIR" default:"data" help:"Where --dev keeps its credentials."`
}

// admin is the remote as an administrator: given by flags, or the one of --dev.
func (c connection) admin() (*remote, error) {
	if c.ClientID != "" {
		return newRemote(c.URL, credentials{c.ClientID, string(c.ClientSecret)}), nil
	}
	w, err := readDevWorld(c.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("no credentials: set DEPUTY_CLIENT_ID and DEPUTY_CLIENT_SECRET (deputy admin create makes them)")
	}
	if err != nil {
		return nil, err
	}
	return newRemote(c.URL, w.Admin), nil
}

// remote is a server, spoken to over HTTP only.
type remote struct {
	issuer string
	self   credentials
	scopes string // of the admin API, to ask for
	http   *http.Client
	bearer string
}

func newRemote(issuer string, self credentials) *remote {
	return &remote{issuer: strings.TrimSuffix(issuer, "/"), self: self, scopes: adminScopes, http: &http.Client{Timeout: 30 * time.Second}}
}

// token is what the token endpoint answered.
type token struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int64  `json:"expires_in"`
	Refresh   string `json:"refresh_token"`
	Scope     string `json:"scope"`
}

// refused is an OAuth error or a problem of the API, as the server told it.
type refused struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
	DecisionID  string `json:"decision_id"`
	Title       string `json:"title"`
	Detail      string `json:"detail"`
	Field       string `json:"field"`
	Needs       string `json:"-"` // scopes of the admin API that a token would have to carry
}

func (r *refused) Error() string {
	parts := []string{fmt.Sprint(r.Status)}
	for _, p := range []string{r.Code, r.Title, r.Field, r.Description, r.Detail} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// form posts a form as client and reads the answer into out.
func (r *remote) form(ctx context.Context, as credentials, path string, form url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(as.ID), url.QueryEscape(as.Secret))
	return r.send(req, out)
}

// clientCredentials gets a token of the client's own.
func (r *remote) clientCredentials(ctx context.Context, as credentials, resource, scope string) (token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	setIf(form, "resource", resource)
	setIf(form, "scope", scope)
	var t token
	return t, r.form(ctx, as, "/oauth2/token", form, &t)
}

// oauth is how a client asks for a person.
func (r *remote) oauth(as credentials, redirect, scope string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: as.ID, RedirectURL: redirect, Scopes: strings.Fields(scope), Endpoint: oauth2.Endpoint{AuthURL: r.issuer + "/oauth2/authorize"},
	}
}

// redeem trades a code for the token that a person granted.
func (r *remote) redeem(ctx context.Context, as credentials, code, verifier, redirect string) (token, error) {
	var t token
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {redirect}}
	return t, r.form(ctx, as, "/oauth2/token", form, &t)
}

// refresh goes on with what a person granted.
func (r *remote) refresh(ctx context.Context, as credentials, refresh string) (token, error) {
	var t token
	return t, r.form(ctx, as, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, &t)
}

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

// exchange trades subject for a token at resource (RFC 8693).
func (r *remote) exchange(ctx context.Context, as credentials, subject, resource, scope string, more url.Values) (token, error) {
	form := url.Values{
		"grant_type": {exchangeGrant}, "subject_token": {subject},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}
	setIf(form, "resource", resource)
	setIf(form, "scope", scope)
	for k, v := range more {
		form[k] = v
	}
	var t token
	return t, r.form(ctx, as, "/oauth2/token", form, &t)
}

func setIf(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// request is one call of the admin API.
type request struct {
	method, path string
	body         any
	version      int64 // of what is changed, as it was read; 0: any
}

// call uses the admin API and reads the answer into out.
func (r *remote) call(ctx context.Context, method, path string, body, out any) error {
	return r.ask(ctx, request{method: method, path: path, body: body}, out)
}

// ask makes the request. A token is fetched first if there is none, anew when it
// ended, and another when the change hands on more than this one carries: nobody
// gives what they do not hold, so the server names the scopes that it takes.
func (r *remote) ask(ctx context.Context, q request, out any) error {
	if r.self.ID == "" {
		return r.try(ctx, q, out)
	}
	if r.bearer == "" { // to come without one would count as a failure of this address
		if err := r.carry(ctx, r.scopes); err != nil {
			return err
		}
	}
	err := r.try(ctx, q, out)
	for _, lacking := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		var no *refused
		if !errors.As(err, &no) || no.Status != lacking || lacking == http.StatusForbidden && no.Needs == "" {
			continue
		}
		if err := r.carry(ctx, r.scopes+" "+no.Needs); err != nil {
			return err
		}
		err = r.try(ctx, q, out)
	}
	return err
}

// carry gets a token of the admin API with the scopes, for this and what follows.
func (r *remote) carry(ctx context.Context, scopes string) error {
	all := strings.Fields(scopes)
	slices.Sort(all)
	asked := strings.Join(slices.Compact(all), " ")
	t, err := r.clientCredentials(ctx, r.self, r.issuer+"/api/v1", asked)
	if err == nil {
		r.scopes, r.bearer = asked, t.Access
	}
	return err
}

// pages shows every item of a list.
func pages[T any](ctx context.Context, r *remote, path string, filter url.Values, show func(T)) error {
	filter.Set("limit", "200")
	for {
		var page list[T]
		if err := r.call(ctx, http.MethodGet, path+"?"+filter.Encode(), nil, &page); err != nil {
			return err
		}
		for _, one := range page.Items {
			show(one)
		}
		if page.Next == "" {
			return nil
		}
		filter.Set("cursor", page.Next)
	}
}

// adminScopes is what the commands ask for: all they may need, and no more.
const adminScopes = "clients:read clients:write clients:suspend credentials:write users:read users:write users:suspend " +
	"roles:read roles:write roles:assign resources:read resources:write tokens:read audit:read"

func (r *remote) try(ctx context.Context, q request, out any) error {
	var reader io.Reader
	if q.body != nil {
		encoded, err := json.Marshal(q.body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, r.issuer+"/api/v1"+q.path, reader)
	if err != nil {
		return err
	}
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.version > 0 {
		req.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(q.version)))
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	return r.send(req, out)
}

func (r *remote) send(req *http.Request, out any) error {
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", r.issuer, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		no := &refused{Status: resp.StatusCode}
		if _, after, found := strings.Cut(resp.Header.Get("WWW-Authenticate"), ` scope="`); found {
			no.Needs, _, _ = strings.Cut(after, `"`)
		}
		if json.Unmarshal(body, no) != nil {
			no.Detail = http.StatusText(resp.StatusCode)
		}
		return no
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	return json.Unmarshal(body, out)
}

type healthcheckCmd struct {
	URL string `env:"DEPUTY_URL" default:"http://127.0.0.1:8080" help:"Where the server listens."`
}

// Run exits zero when the server is ready.
func (c *healthcheckCmd) Run(ctx context.Context, out streams) error {
	r := newRemote(c.URL, credentials{})
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	u.Path = "/readyz" // beside the issuer's path, not below it
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.URL, err)
	}
	defer resp.Body.Close()
	return notReady(resp.StatusCode, io.LimitReader(resp.Body, 1<<20))
}

// notReady says which checks are not well, unless the server is ready.
func notReady(status int, body io.Reader) error {
	if status == http.StatusOK {
		return nil
	}
	var answer struct {
		Checks map[string]struct{ Status, Detail string }
	}
	if json.NewDecoder(body).Decode(&answer) != nil {
		return fmt.Errorf("not ready: status %d", status)
	}
	failing := []string{}
	for name, check := range answer.Checks {
		if check.Status == "fail" {
			failing = append(failing, name+": "+check.Detail)
		}
	}
	slices.Sort(failing)
	return fmt.Errorf("not ready: %s", strings.Join(failing, " "))
}

// readSecretArg takes a value from the command line, or from stdin for "-".
func readSecretArg(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	body, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	return strings.TrimSpace(string(body)), err
}
