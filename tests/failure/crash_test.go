//go:build linux

package failure

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/people"
	"github.com/deputyauth/deputy/tests/canary"
	"github.com/deputyauth/deputy/tests/harness"
	"github.com/deputyauth/deputy/tests/process"
)

// secretive is a world of which every secret is known.
type secretive struct {
	*world
	secrets canary.Secrets
	person  *models.User
}

// A server that crashes in the middle of a load of secrets says where every goroutine
// was, and none of the secrets; and it leaves no core behind.
func TestCrashTellsNoSecret(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		s := &secretive{world: w, secrets: canary.Secrets{"client secret": w.Secret, "password": harness.Password, "verifier": harness.Verifier}}
		for _, kv := range w.Env {
			if key, ok := strings.CutPrefix(kv, "DEPUTY_MASTER_KEY="); ok {
				s.secrets["master key"] = key
			}
		}
		w.Env = append(w.Env, "GOTRACEBACK=crash") // louder than usual, and it would dump core
		s.prepare()
		for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT} {
			s.crash(signal)
		}
	})
}

// prepare makes a person who signs in, and who let the agent act for them.
func (s *secretive) prepare() {
	s.inStore(func(store *models.Store) {
		h := &harness.Server{TB: s.t, Store: store, Clock: &harness.Clock{}}
		s.person = modelstest.User(s.t, store, "joe")
		hash, err := people.HashPassword(harness.Password)
		must(s.t, err)
		must(s.t, store.SetPassword(context.Background(), modelstest.By(), s.person.ID, hash, ""))
		h.Allow(s.person.ID, s.Service, "read")
		h.ForPeople(&harness.Client{Client: s.Agent})
	})
}

// code has the person grant something once more.
func (s *secretive) code() (code string) {
	s.inStore(func(store *models.Store) {
		h := &harness.Server{TB: s.t, Store: store, Clock: &harness.Clock{}}
		code = h.Grant(s.person, &harness.Client{Client: s.Agent}, map[string][]string{s.Service.ID: {"read"}}, nil).Code
	})
	return code
}

func (s *secretive) crash(signal syscall.Signal) {
	s.t.Helper()
	s.Start()
	h := &harness.Server{TB: s.t, URL: s.URL}
	agent := &harness.Client{Client: s.Agent, Secret: s.Secret}
	first := h.Form("/oauth2/token", agent, harness.CodeForm(s.code()))
	if first.Status != http.StatusOK {
		s.t.Fatalf("no token for a code: %d %s", first.Status, first.Body)
	}
	s.secrets["refresh token"] = first.String("refresh_token")
	s.secrets.Token("access token", first.String("access_token"))
	s.secrets["code"] = s.code()

	good := []int{http.StatusOK, http.StatusOK, 0, http.StatusOK, http.StatusSeeOther} // a code is used up; who signs in too often waits
	answered := s.besiege(good, []*http.Request{
		s.form("/oauth2/token", harness.OwnForm(s.Service.Identifier, "read")),
		s.form("/oauth2/token", harness.RefreshForm(s.secrets["refresh token"])),
		s.form("/oauth2/token", harness.CodeForm(s.secrets["code"])),
		s.form("/oauth2/introspect", url.Values{"token": {s.secrets["access token"]}}),
		s.form("/login", url.Values{"username": {s.person.Username}, "password": {harness.Password}}),
	})
	s.Signal(signal)
	s.AwaitEnd()
	s.left(signal, answered())
}

func (s *secretive) form(path string, form url.Values) *http.Request {
	req, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	must(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", s.URL) // as a browser says it
	req.SetBasicAuth(s.Agent.ID, s.Secret)
	return req
}

// besiege sends every request over and over, until the server is gone. It returns once
// each was answered some times, and well if it can be: then what is in it was used. How
// often is told in the end.
func (s *secretive) besiege(good []int, requests []*http.Request) (answered func() []int) {
	const often, at = 5, 4
	var mu sync.Mutex
	statuses := make([][]int, len(requests))
	c := &http.Client{Timeout: process.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: at * len(requests)}}
	var wg sync.WaitGroup
	for i, one := range requests {
		for range at {
			wg.Go(func() {
				for {
					req := one.Clone(context.Background())
					req.Body, _ = one.GetBody()
					resp, err := c.Do(req)
					if err != nil {
						return
					}
					_ = resp.Body.Close()
					mu.Lock()
					statuses[i] = append(statuses[i], resp.StatusCode)
					mu.Unlock()
				}
			})
		}
	}
	s.Await("answers of every kind", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i, some := range statuses {
			if len(some) < often || good[i] != 0 && !slices.Contains(some, good[i]) {
				return false
			}
		}
		return true
	})
	return func() (answered []int) {
		wg.Wait()
		for _, some := range statuses {
			answered = append(answered, len(some))
		}
		return answered
	}
}

// left looks at what a server left behind.
func (s *secretive) left(signal syscall.Signal, answered []int) {
	s.t.Helper()
	said := s.Said()
	stacks, working := strings.Count(said, "\ngoroutine "), strings.Count(said, ".ServeHTTP(")
	s.t.Logf("%v: answers of each kind %v; %d goroutines, %d frames of requests, %d bytes", signal, answered, stacks, working, len(said))
	if stacks < 10 || working == 0 {
		s.t.Errorf("it did not crash in the middle of a load:\n%s", process.Tail(said, 40))
	}
	if s.DumpedCore() {
		s.t.Error("it dumped core")
	}
	s.secrets["what can be found"] = "goroutine running"
	defer delete(s.secrets, "what can be found")
	if found := s.secrets.Found([]byte(said + "goroutine running")); len(found) != 1 {
		s.t.Errorf("secrets in what it said: %v", found)
	}
}

// Core dumps are off, unless somebody wants to look for a bug.
func TestCoreDumpsAreOff(t *testing.T) {
	t.Parallel()
	for _, allow := range []string{"false", "true"} {
		d := newDeputy(t, t.TempDir(), "")
		d.Env = append(d.Env, "DEPUTY_ALLOW_DUMPS="+allow)
		d.Start()
		limit := limitOf(t, d.PID(), "Max core file size")
		mine := limitOf(t, syscall.Getpid(), "Max core file size")
		if allow == "false" && limit != "0 0" || allow == "true" && limit != mine {
			t.Errorf("allowed %s: the limit of core files is %q, and that of whoever started it %q", allow, limit, mine)
		}
		d.Kill()
	}
}

// limitOf is a limit of a process, soft and hard, as the kernel tells it.
func limitOf(t *testing.T, pid int, name string) string {
	t.Helper()
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	must(t, err)
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			fields := strings.Fields(rest)
			return fields[0] + " " + fields[1]
		}
	}
	t.Fatalf("the kernel tells no %s", name)
	return ""
}
