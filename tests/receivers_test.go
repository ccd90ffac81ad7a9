package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// receiver is a service that events are pushed to (RFC 8935).
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	answer []int // one after the other; then 202
	got    []string
	kinds  []string
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	r := &receiver{answer: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.kinds = append(r.got, string(body)), append(r.kinds, req.Method+" "+req.Header.Get("Content-Type"))
		status := http.StatusAccepted
		if len(r.answer) > 0 {
			status, r.answer = r.answer[0], r.answer[1:]
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.got...)
}

// pushed has events pushed, as the background task does.
func (a *audience) pushed() {
	a.t.Helper()
	require.NoError(a.t, a.Endpoint.PushEvents(a.t.Context()))
}

func (a *audience) receiver(url string, of *models.ResourceServer) string {
	a.t.Helper()
	body := map[string]string{"url": url}
	if of != nil {
		body["resource_server_id"] = of.ID
	}
	answer := a.api(http.MethodPost, "/event-receivers", body)
	require.Equal(a.t, http.StatusCreated, answer.Status, answer.Body)
	return answer.String("id")
}

func (a *audience) api(method, path string, body any) harness.Answer {
	a.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(a.t, err)
	req, err := http.NewRequest(method, a.URL+"/api/v1"+path, strings.NewReader(string(text)))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", "application/json")
	harness.Bearer(a.Own(a.admin, a.URL+"/api/v1", "events:read events:write"))(req)
	return a.Send(req)
}

// opened checks the signature of a Security Event Token as its receiver would.
func (a *audience) opened(set string) map[string]any {
	a.t.Helper()
	var keys jose.JSONWebKeySet
	require.NoError(a.t, json.Unmarshal(a.Keys.JWKS(), &keys))
	parsed, err := jwt.ParseSigned(set, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(a.t, err)
	require.Equal(a.t, "secevent+jwt", parsed.Headers[0].ExtraHeaders["typ"])
	claims := map[string]any{}
	require.NoError(a.t, parsed.Claims(keys.Key(parsed.Headers[0].KeyID)[0], &claims))
	return claims
}

// What concerns a service is pushed to it, signed, and what all concerns to who wants all.
func TestEventsArePushed(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			help, sale, all := newReceiver(t), newReceiver(t), newReceiver(t)
			a.receiver(help.URL, a.help)
			a.receiver(sale.URL, a.sale)
			a.receiver(all.URL, nil)
			_, err := a.Store.SuspendClient(t.Context(), feedBy, a.agent.ID)
			require.NoError(t, err)
			a.pushed()
			require.Empty(t, sale.taken(), "the agent means nothing there")
			require.Len(t, help.taken(), 1)
			require.Len(t, all.taken(), 1)
			require.Equal(t, []string{"POST application/secevent+jwt"}, help.kinds)

			set := a.opened(help.taken()[0])
			require.Equal(t, []any{a.URL, a.help.Identifier}, []any{set["iss"], set["aud"]})
			require.Equal(t, map[string]any{"format": "iss_sub", "iss": a.URL, "sub": a.agent.ID}, set["sub_id"])
			require.NotContains(t, set, "sub")
			require.NotContains(t, set, "exp")
			events, _ := set["events"].(map[string]any)
			require.Contains(t, events, "https://schemas.openid.net/secevent/caep/event-type/session-revoked")
			own, _ := events["urn:deputy:event:client-suspended"].(map[string]any)
			require.Equal(t, a.agent.ID, own["client_id"])
			require.Equal(t, all.URL, a.opened(all.taken()[0])["aud"])
			require.NotEqual(t, set["jti"], a.opened(all.taken()[0])["jti"])

			_, err = a.Keys.Verify(t.Context(), help.taken()[0])
			require.Error(t, err, "it is no access token")

			a.Clock.Advance(time.Hour)
			a.pushed()
			a.pushed()
			require.Len(t, help.taken(), 1, "what was acknowledged is never sent again")
		})
	}
}

// A receiver that is away gets it later, the same; one that does not want it is not
// asked again, and the ledger says so.
func TestPushedEventsAreTriedAgain(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			away, unwilling := newReceiver(t, 503, 404, 202), newReceiver(t, 400)
			a.receiver(away.URL, a.help)
			a.receiver(unwilling.URL, a.help)
			_, err := a.Store.SuspendClient(t.Context(), feedBy, a.agent.ID)
			require.NoError(t, err)
			for range 5 {
				a.pushed()
				a.Clock.Advance(time.Minute)
			}
			require.Len(t, away.taken(), 3)
			require.Equal(t, a.opened(away.taken()[0])["jti"], a.opened(away.taken()[2])["jti"])
			require.Len(t, unwilling.taken(), 1)
			rows, _, err := a.Store.Entries(t.Context(), models.EntryFilter{Action: "giveUpEvent"}, -1, 10)
			require.NoError(t, err)
			require.Len(t, rows, 1)
			require.Contains(t, rows[0].Detail, "answered 400")

			never := newReceiver(t, slices.Repeat([]int{503}, 1000)...)
			a.receiver(never.URL, a.help)
			_, err = a.Store.RestoreClient(t.Context(), feedBy, a.agent.ID)
			require.NoError(t, err)
			for range 26 * 6 {
				a.pushed()
				a.Clock.Advance(10 * time.Minute)
			}
			tried := len(never.taken())
			require.Greater(t, tried, 100, "for a day")
			require.Less(t, tried, 150)
			require.Len(t, away.taken(), 4, "nobody waits for another")
		})
	}
}

// However many replicas push events at once, each is pushed once, in order.
func TestEventsArePushedOnce(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			all := newReceiver(t)
			a.receiver(all.URL, nil)
			for i := range 5 {
				stop := a.Store.SuspendClient
				if i%2 == 1 {
					stop = a.Store.RestoreClient
				}
				_, err := stop(t.Context(), feedBy, a.agent.ID)
				require.NoError(t, err)
				var both sync.WaitGroup
				for range 4 {
					both.Go(func() { _ = a.Endpoint.PushEvents(t.Context()) })
				}
				both.Wait()
			}
			a.pushed()
			var kinds []string
			for _, set := range all.taken() {
				events, _ := a.opened(set)["events"].(map[string]any)
				for name := range events {
					if kind, ok := strings.CutPrefix(name, "urn:deputy:event:"); ok {
						kinds = append(kinds, kind)
					}
				}
			}
			s, r := models.EventClientSuspended, models.EventClientRestored
			require.Equal(t, []string{s, r, s, r, s}, kinds)
		})
	}
}

// Receivers are listed, read and removed; what a removed one was not told it is not told.
func TestReceiversAreManaged(t *testing.T) {
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			a := newAudience(t, dialect)
			r := newReceiver(t)
			id := a.receiver(r.URL, a.help)
			require.Equal(t, r.URL, a.api(http.MethodGet, "/event-receivers/"+id, nil).String("url"))
			items, _ := a.api(http.MethodGet, "/event-receivers", nil).JSON["items"].([]any)
			require.Len(t, items, 1)
			for _, wrong := range []map[string]string{{"url": ""}, {"url": "http://elsewhere.example/"}, {"url": "ftp://x"}, {"url": r.URL, "resource_server_id": "rsv_none"}} {
				require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, a.api(http.MethodPost, "/event-receivers", wrong).Status, wrong)
			}
			_, err := a.Store.SuspendClient(t.Context(), feedBy, a.agent.ID)
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, a.api(http.MethodDelete, "/event-receivers/"+id, nil).Status)
			a.pushed()
			require.Empty(t, r.taken())
			require.Equal(t, http.StatusNotFound, a.api(http.MethodGet, "/event-receivers/"+id, nil).Status)

			// With its service goes the receiver, too.
			second := a.receiver(r.URL, a.help)
			_, err = a.Store.RestoreClient(t.Context(), feedBy, a.agent.ID)
			require.NoError(t, err)
			require.NoError(t, a.Store.DeleteResourceServer(t.Context(), feedBy, a.help.ID, models.AnyVersion))
			a.pushed()
			require.Empty(t, r.taken())
			require.Equal(t, http.StatusNotFound, a.api(http.MethodGet, "/event-receivers/"+second, nil).Status)
		})
	}
}

// What lies too far back is told as a reset.
func TestReceiversAreToldOfAReset(t *testing.T) {
	a := newAudience(t, "sqlite")
	all := newReceiver(t)
	a.receiver(all.URL, nil)
	_, err := a.Store.SuspendClient(t.Context(), feedBy, a.agent.ID)
	require.NoError(t, err)
	a.Clock.Advance(72 * time.Hour)
	a.pushed()
	require.Len(t, all.taken(), 1)
	events, _ := a.opened(all.taken()[0])["events"].(map[string]any)
	require.Contains(t, events, "urn:deputy:event:reset")
}
