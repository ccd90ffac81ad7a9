package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keysOfTest is a key set as a server publishes one.
const keysOfTest = `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"key_a",` +
	`"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

// fakeServer answers as a healthy server does whose issuer has a path.
type fakeServer struct {
	issuer string
	pages  map[string]string
	date   time.Time
	events http.HandlerFunc
}

func newFakeServer(t *testing.T) *fakeServer {
	f := &fakeServer{date: time.Now(), events: refusesFollowers(http.StatusUnauthorized, "invalid_client")}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", f.date.UTC().Format(http.TimeFormat))
		if r.URL.Path == "/auth/events" {
			f.events(w, r)
			return
		}
		page, there := f.pages[r.URL.Path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, strings.ReplaceAll(page, "ISSUER", f.issuer))
	}))
	t.Cleanup(s.Close)
	f.issuer = s.URL + "/auth"
	const doc = `{"issuer":"ISSUER","token_endpoint":"ISSUER/oauth2/token","authorization_endpoint":"ISSUER/oauth2/authorize","jwks_uri":"ISSUER/oauth2/jwks"}`
	f.pages = map[string]string{
		"/.well-known/oauth-authorization-server/auth":      doc,
		"/auth/.well-known/openid-configuration":            doc,
		"/.well-known/openid-configuration/auth":            doc,
		"/.well-known/oauth-protected-resource/auth/api/v1": `{"resource":"ISSUER/api/v1","authorization_servers":["ISSUER"]}`,
		"/auth/oauth2/jwks":                                 keysOfTest,
		"/readyz":                                           `{"status":"ok","checks":{"database":{"status":"ok"},"mail":{"status":"ok"}},"alarms":0}`,
	}
	return f
}

// examined are the findings of a doctor, by check.
func examined(t *testing.T, target string) map[string]finding {
	t.Helper()
	d := &doctor{now: time.Now, print: func(finding) {}}
	(&patient{doctor: d, http: http.DefaultClient}).examine(t.Context(), target)
	return byCheck(t, d.found)
}

func byCheck(t *testing.T, found []finding) map[string]finding {
	t.Helper()
	out := map[string]finding{}
	for _, f := range found {
		require.NotContains(t, out, f.Check, "each check says one thing")
		require.Equal(t, f.Status == healthy, f.Do == "", "what is not well comes with what helps: %v", f)
		out[f.Check] = f
	}
	return out
}

// unwell names the checks that are not ok, with how they are.
func unwell(found map[string]finding) []string {
	out := []string{}
	for name, f := range found {
		if f.Status != healthy {
			out = append(out, f.Status+" "+name)
		}
	}
	slices.Sort(out)
	return out
}

func TestDoctorFindsWhatIsWrongWithAServer(t *testing.T) {
	const as, op, inserted, own = "/.well-known/oauth-authorization-server/auth", "/auth/.well-known/openid-configuration",
		"/.well-known/openid-configuration/auth", "/.well-known/oauth-protected-resource/auth/api/v1"
	for _, one := range []struct {
		name string
		do   func(f *fakeServer)
		want []string
	}{
		{"nothing", func(*fakeServer) {}, []string{}},
		{"the path is not inserted", func(f *fakeServer) { delete(f.pages, as) }, []string{"fail discovery, OAuth"}},
		{"the suffix is not served", func(f *fakeServer) { delete(f.pages, op) }, []string{"fail discovery, OpenID"}},
		{"OpenID's path is not inserted", func(f *fakeServer) { delete(f.pages, inserted) }, []string{"fail discovery, OpenID inserted"}},
		{"not JSON", func(f *fakeServer) { f.pages[as] = "<html>" }, []string{"fail discovery, OAuth"}},
		{"another issuer", func(f *fakeServer) { f.pages[op] = strings.Replace(f.pages[op], `"ISSUER"`, `"ISSUER/"`, 1) }, []string{"fail discovery, OpenID"}},
		{"an endpoint elsewhere", func(f *fakeServer) {
			f.pages[as] = strings.Replace(f.pages[as], "ISSUER/oauth2/token", "https://elsewhere.example/token", 1)
		},
			[]string{"fail discovery, OAuth"}},
		{"documents that differ", func(f *fakeServer) { f.pages[op] = strings.Replace(f.pages[op], "oauth2/token", "token", 1) }, []string{"fail discovery agrees"}},
		{"another resource", func(f *fakeServer) {
			f.pages[own] = `{"resource":"https://other.example","authorization_servers":["ISSUER"]}`
		}, []string{"fail discovery, resource"}},
		{"no resource", func(f *fakeServer) { delete(f.pages, own) }, []string{"fail discovery, resource"}},
		{"no key set", func(f *fakeServer) { delete(f.pages, "/auth/oauth2/jwks") }, []string{"fail jwks"}},
		{"no key", func(f *fakeServer) { f.pages["/auth/oauth2/jwks"] = `{"keys":[]}` }, []string{"fail jwks"}},
		{"two of one name", func(f *fakeServer) {
			key := keysOfTest[len(`{"keys":[`) : len(keysOfTest)-2]
			f.pages["/auth/oauth2/jwks"] = `{"keys":[` + key + "," + key + `]}`
		}, []string{"fail jwks"}},
		{"a private key", func(f *fakeServer) {
			f.pages["/auth/oauth2/jwks"] = strings.Replace(keysOfTest, `"kty"`, `"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","kty"`, 1)
		}, []string{"fail jwks"}},
		{"a clock minutes ahead", func(f *fakeServer) { f.date = f.date.Add(5 * time.Minute) }, []string{"fail clock"}},
		{"a clock seconds behind", func(f *fakeServer) { f.date = f.date.Add(-20 * time.Second) }, []string{"warn clock"}},
		{"not ready", func(f *fakeServer) {
			f.pages["/readyz"] = `{"checks":{"database":{"status":"fail","detail":"It is gone."},"policy":{"status":"warn","detail":"Old."}},"alarms":2}`
		}, []string{"fail server: database", "warn server: alarms", "warn server: policy"}},
		{"readyz is elsewhere", func(f *fakeServer) { delete(f.pages, "/readyz") }, []string{"warn readyz"}},
		{"no feed", func(f *fakeServer) { f.events = http.NotFound }, []string{"fail events"}},
		{"a feed for everybody", func(f *fakeServer) { f.events = streaming("id: 1.abcdefgh\n\n") }, []string{"fail events"}},
		{"no challenge", func(f *fakeServer) {
			f.events = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"error":"invalid_client"}`)
			}
		}, []string{"fail events"}},
		{"a proxy with a login of its own", func(f *fakeServer) { f.events = refusesFollowers(http.StatusUnauthorized, "login") }, []string{"fail events"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			f := newFakeServer(t)
			one.do(f)
			require.Equal(t, one.want, unwell(examined(t, f.issuer)))
		})
	}
	require.Equal(t, []string{"fail issuer"}, unwell(examined(t, "https://auth.example/?a=b")))
	require.Contains(t, unwell(examined(t, "http://127.0.0.1:9")), "fail discovery, OAuth")
}

func TestDoctorTellsInLinesAndInJSON(t *testing.T) {
	f := newFakeServer(t)
	delete(f.pages, "/auth/oauth2/jwks")
	var out bytes.Buffer
	err := run(context.Background(), []string{"doctor", f.issuer}, &out, &out)
	require.ErrorContains(t, err, "doctor: 1 of 11 checks fail")
	require.Regexp(t, `(?m)^ok    discovery, OAuth +clients of RFC 8414 and MCP find it$`, out.String())
	require.Regexp(t, `(?m)^FAIL  jwks +\S+/auth/oauth2/jwks: status 404, and not JSON -> have the proxy pass`, out.String())

	out.Reset()
	require.Error(t, run(context.Background(), []string{"doctor", f.issuer, "--json"}, &out, &bytes.Buffer{}))
	var told struct {
		Status string
		Checks []finding
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &told))
	require.Equal(t, sick, told.Status)
	require.Equal(t, []string{"fail jwks"}, unwell(byCheck(t, told.Checks)))
	f.pages["/auth/oauth2/jwks"] = keysOfTest
	require.NoError(t, run(context.Background(), []string{"doctor", f.issuer}, &out, &out))
}
