package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fuzzing starts from what is really sent. This plays the tour and some commands
// under a recorder and holds the seeds in testdata/fuzz to it; with
// DEPUTY_SEEDS=write it writes them anew. Ids are kept, secrets and signatures are not.
func TestFuzzSeedsAreRealTraffic(t *testing.T) {
	r := &recorder{next: http.DefaultTransport, seeds: map[string][]string{}}
	http.DefaultTransport = r
	t.Cleanup(func() { http.DefaultTransport = r.next })
	d := startDev(t, "sqlite")
	d.must("tour")
	d.must("agent", "create", "reporter", "--owner", "olivia", "--sponsor", "Sales", "--role", "chat-widget-role", "--lifetime", "30")
	d.must("agent", "rotate", "reporter")
	d.must("agent", "suspend", "reporter")
	d.must("agent", "list", "--kind", "agent", "--status", "active")
	d.must("token", "get", "--as", "orchestrator", "--resource", "https://orchestrator.example", "--scope", "agent:orchestrate")
	require.Len(t, r.seeds, 9, "every target that reads requests")
	for target, seeds := range r.seeds {
		require.NotEmpty(t, seeds)
		if os.Getenv("DEPUTY_SEEDS") == "write" {
			writeSeeds(t, target, seeds)
		}
		kept, err := filepath.Glob(filepath.Join("../..", filepath.Dir(target), "testdata/fuzz", filepath.Base(target), "traffic-*"))
		require.NoError(t, err)
		require.NotEmpty(t, kept, "%s: DEPUTY_SEEDS=write go test ./cmd/deputy -run Seeds", target)
		for _, file := range kept {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(body), "go test fuzz v1\n"))
			for _, secret := range anySecret.FindAllString(string(body), -1) {
				require.Equal(t, noSecret, secret, file)
			}
		}
	}
}

// maxSeeds of one target; those of other shapes come first.
const maxSeeds = 12

func writeSeeds(t *testing.T, target string, seeds []string) {
	t.Helper()
	dir := filepath.Join("../..", filepath.Dir(target), "testdata/fuzz", filepath.Base(target))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	old, err := filepath.Glob(filepath.Join(dir, "traffic-*"))
	require.NoError(t, err)
	for _, file := range old {
		require.NoError(t, os.Remove(file))
	}
	for i, seed := range seeds[:min(len(seeds), maxSeeds)] {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("traffic-%02d", i)), []byte("go test fuzz v1\n"+seed), 0o644))
	}
}

var (
	anySecret    = regexp.MustCompile(`deputy_sk_[A-Za-z0-9_-]+`)
	anySignature = regexp.MustCompile(`(eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.)[A-Za-z0-9_-]+`)
	anyID        = regexp.MustCompile(`^[a-z]{3}_[0-9a-z]{26}$`)
	noSecret     = "deputy_sk_" + strings.Repeat("A", 43)
)

// clean takes out what must not be kept.
func clean(s string) string {
	s = anySignature.ReplaceAllString(anySecret.ReplaceAllString(s, noSecret), "${1}"+strings.Repeat("A", 86))
	if encoded, ok := strings.CutPrefix(s, "Basic "); ok {
		if raw, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			return "Basic " + base64.StdEncoding.EncodeToString(anySecret.ReplaceAll(raw, []byte(noSecret)))
		}
	}
	return s
}

// recorder makes seeds of the requests that pass, one of each shape.
type recorder struct {
	next   http.RoundTripper
	mu     sync.Mutex
	seeds  map[string][]string // by target
	shapes map[string]bool
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	r.mu.Lock()
	r.keep(req, string(body))
	r.mu.Unlock()
	return r.next.RoundTrip(req)
}

// digits and ids do not make another shape.
var unshaped = regexp.MustCompile(`[a-z]{3}_[0-9a-z]{26}|[A-Za-z0-9_-]{30,}|[0-9]+`)

func (r *recorder) add(target string, args ...string) {
	seed := strings.Join(args, "\n") + "\n"
	if shape := target + unshaped.ReplaceAllString(seed, "#"); !r.shapes[shape] {
		if r.shapes == nil {
			r.shapes = map[string]bool{}
		}
		r.shapes[shape] = true
		r.seeds[target] = append(r.seeds[target], seed)
	}
}

func text(s string) string { return fmt.Sprintf("string(%q)", clean(s)) }

func (r *recorder) keep(req *http.Request, body string) {
	auth := req.Header.Get("Authorization")
	form, _ := url.ParseQuery(body)
	if token, ok := strings.CutPrefix(auth, "Bearer "); ok {
		r.add("server/api/FuzzBearer", text(auth))
		r.add("server/tokens/FuzzVerify", text(token))
	}
	switch path := req.URL.EscapedPath(); {
	case path == "/oauth2/token":
		r.add("server/oauth/FuzzParseTokenRequest", text(body), text(auth))
		r.add("server/oauth/FuzzParseScope", text(form.Get("scope")))
		r.add("models/FuzzCanonicalURI", text(form.Get("resource")))
		r.add("server/oauth/FuzzBasic", text("agt_1"), text(noSecret), text(auth))
		if subject := form.Get("subject_token"); subject != "" {
			r.add("server/tokens/FuzzVerify", text(subject))
		}
	case path == "/oauth2/introspect", path == "/oauth2/revoke":
		r.add("server/oauth/FuzzParseTokenQuery", text(body), text(auth))
	case strings.HasPrefix(path, "/api/v1/"):
		segments := strings.Split(strings.TrimPrefix(path, "/api/v1"), "/")
		for i, s := range segments {
			if anyID.MatchString(s) {
				segments[i] = "{id}"
			}
		}
		r.add("server/api/FuzzRequests", text(req.Method), text(strings.Join(segments, "/")), text(req.URL.RawQuery), fmt.Sprintf("[]byte(%q)", clean(body)))
		if req.Method == http.MethodGet && req.URL.RawQuery != "" {
			r.add("server/api/FuzzLists", "byte('\\x00')", text(req.URL.RawQuery), text(""))
		}
	}
}
