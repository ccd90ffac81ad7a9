package tests

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// keySet is a client's JWK set at an address of its own.
type keySet struct {
	*harness.Server
	agent   *harness.Client
	service *models.ResourceServer

	mu     sync.Mutex
	keys   []jose.JSONWebKey
	status int
	asked  int
	held   chan struct{} // nothing is answered before it is closed; nil: at once
}

func eachKeySet(t *testing.T, test func(t *testing.T, s *keySet)) {
	each(t, func(t *testing.T, server *harness.Server) {
		s := &keySet{Server: server, status: http.StatusOK}
		s.Clock.Stop()
		s.agent = s.Agent("remote", s.User("remote-owner"))
		s.service = s.Service("vault", s.agent, "read")
		s.Allow(s.agent.ID, s.service, "read")
		web := httptest.NewServer(http.HandlerFunc(s.serve))
		t.Cleanup(web.Close)
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			_, err := st.CreateCredential(ctx, by, &models.Credential{ClientID: s.agent.ID, Kind: models.CredentialKeySet, JWKSURI: web.URL + "/jwks"})
			return err
		})
		test(t, s)
	})
}

func (s *keySet) serve(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	held := s.held
	s.asked++
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.WriteHeader(s.status)
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: s.keys})
}

// offer puts new keys there, in the place of those before.
func (s *keySet) offer(kids ...string) []*ecdsa.PrivateKey {
	s.TB.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = []jose.JSONWebKey{}
	var made []*ecdsa.PrivateKey
	for _, kid := range kids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(s.TB, err)
		made = append(made, key)
		s.keys = append(s.keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid})
	}
	return made
}

func (s *keySet) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *keySet) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// prove asks for a token with an assertion that is signed with a key.
func (s *keySet) prove(key *ecdsa.PrivateKey, kid string) harness.Answer {
	s.TB.Helper()
	s.agent.Key = key
	raw := s.Assertion(s.agent, func(header, _ map[string]any) {
		if header["kid"] = kid; kid == "" {
			delete(header, "kid")
		}
	})
	return s.Form("/oauth2/token", nil, asserting(s.service, raw))
}

func TestKeysAtAnAddressOfTheClients(t *testing.T) {
	eachKeySet(t, func(t *testing.T, s *keySet) {
		keys := s.offer("a", "b")
		for i, kid := range []string{"a", "b"} {
			require.Equal(t, http.StatusOK, s.prove(keys[i], kid).Status, kid)
			require.Equal(t, http.StatusOK, s.prove(keys[i], "").Status, "no name is needed")
		}
		require.Equal(t, "invalid_client", refused(t, s.prove(keys[0], "b")))
		require.Equal(t, 1, s.reads())

		next := s.offer("c")
		s.Clock.Advance(time.Minute)
		require.Equal(t, http.StatusOK, s.prove(next[0], "c").Status, "a new key is found when it is used")
		require.Equal(t, "invalid_client", refused(t, s.prove(keys[0], "a")), "and what is gone is gone")
		require.Equal(t, 2, s.reads())
	})
}

// Whoever names keys that are not there has nothing read again and again.
func TestKeysAtAnAddressAreReadNowAndThen(t *testing.T) {
	eachKeySet(t, func(t *testing.T, s *keySet) {
		keys := s.offer("a")
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status)
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		for _, kid := range []string{"x", "y", "z", "a", ""} {
			require.Equal(t, "invalid_client", refused(t, s.prove(stranger, kid)))
		}
		require.Equal(t, 1, s.reads(), "not within half a minute")
		s.offer() // the client takes its key away
		s.Clock.Advance(9 * time.Minute)
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status)
		s.Clock.Advance(time.Minute + time.Second)
		require.Equal(t, "invalid_client", refused(t, s.prove(keys[0], "a")), "ten minutes later it proves nothing")
	})
}

// An address that does not answer is nobody's fault, and proves nothing for long.
func TestKeysAtAnAddressThatDoesNotAnswer(t *testing.T) {
	eachKeySet(t, func(t *testing.T, s *keySet) {
		s.answer(http.StatusInternalServerError)
		keys := s.offer("a")
		never := s.prove(keys[0], "a")
		require.Equal(t, http.StatusServiceUnavailable, never.Status, never.Body)
		require.Equal(t, "temporarily_unavailable", never.String("error"))
		require.Equal(t, http.StatusOK, s.Form("/oauth2/token", s.agent, harness.OwnForm(s.service.Identifier, "read")).Status, "its secret needs nobody")

		s.answer(http.StatusOK)
		s.Clock.Advance(time.Minute)
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status)
		s.answer(http.StatusInternalServerError)
		s.Clock.Advance(30 * time.Minute)
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status, "what was read serves for an hour")
		s.Clock.Advance(31 * time.Minute)
		require.Equal(t, http.StatusServiceUnavailable, s.prove(keys[0], "a").Status)
	})
}

// hold has the address answer nothing any more until it is let go.
func (s *keySet) hold() (letGo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held = nil
		close(held)
	})
}

// begun runs something until the address is asked once more.
func (s *keySet) begun(do func()) {
	s.TB.Helper()
	before := s.reads()
	go do()
	require.Eventually(s.TB, func() bool { return s.reads() == before+1 }, harness.Patience, time.Millisecond)
}

// An address that answers slowly is asked once at a time. It holds up nobody whose key
// is known, and nobody else for long; nobody is told that their key is wrong.
func TestKeysAtAnAddressThatAnswersSlowly(t *testing.T) {
	eachKeySet(t, func(t *testing.T, s *keySet) {
		keys := s.offer("a")
		letGo := s.hold()
		first, second := make(chan harness.Answer, 1), make(chan harness.Answer, 1)
		raw := func(kid string) url.Values {
			return asserting(s.service, s.Assertion(s.agent, func(header, _ map[string]any) { header["kid"] = kid }))
		}
		s.agent.Key = keys[0]
		one, other := raw("a"), raw("a")
		s.begun(func() { first <- s.Form("/oauth2/token", nil, one) })
		begin := time.Now()
		a := s.Form("/oauth2/token", nil, other)
		require.Equal(t, http.StatusServiceUnavailable, a.Status, a.Body)
		require.Equal(t, "temporarily_unavailable", a.String("error"))
		require.NotEmpty(t, a.Header.Get("Retry-After"))
		require.Less(t, time.Since(begin), 4*time.Second, "long before the reading is given up")
		letGo()
		require.Equal(t, http.StatusOK, (<-first).Status, "whoever had it read waits for it")
		require.Equal(t, 1, s.reads())

		s.Clock.Advance(time.Minute)
		letGo = s.hold()
		stranger := raw("nobody")
		s.begun(func() { second <- s.Form("/oauth2/token", nil, stranger) })
		for range 3 {
			require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status, "whose key is known does not wait")
		}
		require.Equal(t, 2, s.reads())
		letGo()
		require.Equal(t, "invalid_client", refused(t, <-second), "it is not there, as is known now")

		s.Clock.Advance(8 * time.Minute)
		letGo = s.hold()
		known := raw("a")
		s.begun(func() { second <- s.Form("/oauth2/token", nil, known) })
		require.Equal(t, http.StatusOK, (<-second).Status, "keys that age are read anew beside what goes on")
		letGo()
	})
}

// While an address fails, who brings a key that is not known may have a new one: they are
// told to come again, soon.
func TestKeysAtAnAddressThatFails(t *testing.T) {
	eachKeySet(t, func(t *testing.T, s *keySet) {
		keys := s.offer("a")
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status)
		s.Clock.Advance(time.Minute)
		s.answer(http.StatusBadGateway)
		next := s.offer("b")
		for range 3 {
			require.Equal(t, http.StatusServiceUnavailable, s.prove(next[0], "b").Status)
		}
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status)
		require.Equal(t, 2, s.reads(), "it failed a moment ago")
		s.answer(http.StatusOK)
		s.Clock.Advance(10 * time.Second)
		require.Equal(t, http.StatusOK, s.prove(next[0], "b").Status)
	})
}

func TestKeysAtAnAddressAreTakenBack(t *testing.T) {
	eachKeySet(t, func(t *testing.T, s *keySet) {
		keys := s.offer("a")
		require.Equal(t, http.StatusOK, s.prove(keys[0], "a").Status)
		rows, _, err := s.Store.Credentials(context.Background(), s.agent.ID, models.Page{})
		require.NoError(t, err)
		for _, c := range rows {
			if c.Kind == models.CredentialKeySet {
				s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
					return st.RevokeCredential(ctx, by, s.agent.ID, c.ID)
				})
			}
		}
		require.Equal(t, "invalid_client", refused(t, s.prove(keys[0], "a")))
	})
}
