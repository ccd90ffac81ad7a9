package main

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/deputyauth/deputy/server/tokens"
)

// sample is the assistant of the --dev world as people meet it: a small program on
// this machine that sends them to Deputy and shows what it was given.
type sample struct {
	remote   *remote
	audience string // of what it asks for
	redirect string

	mu    sync.Mutex
	sent  map[string]string    // state -> verifier, of those who have not come back
	asked map[string]*petition // of people who are elsewhere, by a name that says nothing
}

// samplePort is where the sample listens if nobody else does.
const samplePort = "127.0.0.1:8089"

// serveSample starts the sample beside the server, until ctx ends, and gives its address.
func serveSample(ctx context.Context, issuer string, who credentials, log *slog.Logger) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", samplePort)
	if err != nil {
		l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	s := &sample{remote: newRemote(issuer, who), audience: "https://sales-api.example", redirect: "http://" + l.Addr().String() + "/callback", sent: map[string]string{}, asked: map[string]*petition{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /begin", s.begin)
	mux.HandleFunc("GET /callback", s.callback)
	mux.HandleFunc("GET /ask", s.ask)
	mux.HandleFunc("GET /waits/{id}", s.waits)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the sample application stopped", "error", err)
		}
	}()
	return "http://" + l.Addr().String(), nil
}

var samplePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>assistant</title>{{if .Waits}}<meta http-equiv="refresh" content="6">{{end}}
<link rel="stylesheet" href="{{.Issuer}}/pages.css"></head>
<body><main id="main"><div class="card"><header><h1>assistant</h1><p class="quiet">A sample application, which is no part of Deputy. It holds nothing of yours until you let it.</p></header>
{{with .Problem}}<div class="notice warn"><h2>It got nothing</h2><p>{{.}}</p></div>{{end}}
{{with .Waits}}<div class="notice"><h2>It waits for an answer</h2><p>Word was sent. Read it <a href="{{$.Issuer}}/dev/mailbox">in the mailbox</a> and answer there; both pages show the code <b>{{.CompareCode}}</b>. This page looks again by itself.</p></div>{{end}}
{{with .Claims}}<div class="stack"><h2>It was given a token that says</h2><dl class="facts small">
<dt>for whom (sub)</dt><dd><code>{{.Subject}}</code></dd><dt>through whom (act)</dt><dd><code>{{.Act.Subject}}</code></dd>
<dt>at (aud)</dt><dd><code>{{.Audience}}</code></dd><dt>may (scope)</dt><dd><code>{{.Scope}}</code></dd><dt>seconds (exp - iat)</dt><dd>{{.Life}}</dd></dl></div>{{end}}
<div class="stack"><a class="button full" href="/begin">Let it look up sales for you</a><a class="button full" href="/ask?who=alice">Let it ask Alice, who is elsewhere</a><a class="button plain full" href="{{.Issuer}}/account">What may it do? Your account</a></div>
</div></main></body></html>
`))

// given is what a token says, and for how long, in seconds.
type given struct {
	*tokens.Claims
	Life int64
}

func (s *sample) show(w http.ResponseWriter, problem string, claims *given) {
	s.page(w, problem, claims, nil)
}

func (s *sample) page(w http.ResponseWriter, problem string, claims *given, waits *petition) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src "+s.remote.issuer+"; frame-ancestors 'none'")
	_ = samplePage.Execute(w, map[string]any{"Issuer": s.remote.issuer, "Problem": problem, "Claims": claims, "Waits": waits}) // nobody is left to tell
}

func (s *sample) home(w http.ResponseWriter, _ *http.Request) { s.show(w, "", nil) }

func (s *sample) begin(w http.ResponseWriter, r *http.Request) {
	state, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	s.mu.Lock()
	if len(s.sent) > 1000 { // they will not come back
		clear(s.sent)
	}
	s.sent[state] = verifier
	s.mu.Unlock()
	config := s.remote.oauth(s.remote.self, s.redirect, "sales:read sales:export")
	http.Redirect(w, r, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", s.audience)), http.StatusSeeOther)
}

func (s *sample) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	verifier := s.sent[q.Get("state")]
	delete(s.sent, q.Get("state"))
	s.mu.Unlock()
	switch {
	case verifier == "" || q.Get("iss") != s.remote.issuer:
		s.show(w, "This answer belongs to nothing that was asked.", nil)
		return
	case q.Get("error") != "":
		s.show(w, q.Get("error")+": "+q.Get("error_description"), nil)
		return
	}
	got, err := s.remote.redeem(r.Context(), s.remote.self, q.Get("code"), verifier, s.redirect)
	s.given(w, got, err)
}

// given shows a token, or why there is none.
func (s *sample) given(w http.ResponseWriter, got token, err error) {
	var claims *tokens.Claims
	if err == nil {
		claims, err = readClaims(got.Access)
	}
	if err != nil {
		s.show(w, err.Error(), nil)
		return
	}
	s.show(w, "", &given{claims, claims.Expires - claims.IssuedAt})
}

// ask asks somebody who is elsewhere (CIBA).
func (s *sample) ask(w http.ResponseWriter, r *http.Request) {
	p := &petition{message: "The sales figures you wanted"}
	err := s.remote.form(r.Context(), s.remote.self, "/oauth2/bc-authorize", url.Values{
		"login_hint": {r.URL.Query().Get("who")}, "resource": {s.audience}, "scope": {"sales:read sales:export"}, "binding_message": {p.message},
	}, p)
	if err != nil {
		s.show(w, err.Error(), nil)
		return
	}
	id := oauth2.GenerateVerifier()
	s.mu.Lock()
	if len(s.asked) > 1000 {
		clear(s.asked)
	}
	s.asked[id] = p
	s.mu.Unlock()
	http.Redirect(w, r, "/waits/"+id, http.StatusSeeOther)
}

// waits looks whether they have answered.
func (s *sample) waits(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	p := s.asked[id]
	s.mu.Unlock()
	if p == nil {
		s.show(w, "Nobody was asked this.", nil)
		return
	}
	var got token
	err := s.remote.form(r.Context(), s.remote.self, "/oauth2/token", url.Values{"grant_type": {cibaGrant}, "auth_req_id": {p.AuthReqID}}, &got)
	var no *refused
	if errors.As(err, &no) && (no.Code == "authorization_pending" || no.Code == "slow_down") {
		s.page(w, "", nil, p)
		return
	}
	s.mu.Lock()
	delete(s.asked, id)
	s.mu.Unlock()
	s.given(w, got, err)
}
