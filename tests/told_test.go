package tests

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/outbound"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/tests/harness"
)

// Word to people, and what clients are told of their answers (CIBA Core sections 10.2, 10.3 and 12).

const notificationToken = "8d67dc78-7faa-4d41-aabd-67707b374255"

// ear is a client's notification endpoint.
type ear struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	heard  []map[string]any
	bearer string
}

func newEar(t testing.TB) *ear {
	e := &ear{status: http.StatusNoContent}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		said := map[string]any{}
		if json.Unmarshal(body, &said) == nil && r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/json" {
			e.heard = append(e.heard, said)
		}
		e.bearer = r.Header.Get("Authorization")
		w.Header().Set("Location", e.URL+"/elsewhere")
		w.WriteHeader(e.status)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ear) answers(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// since is what was heard since it was last asked.
func (e *ear) since() []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	return heard
}

// toldClient is an agent that is told what its user answered.
type toldClient struct {
	*elsewhere
	ear *ear
}

// eachToldBy runs a test on both databases.
func eachToldBy(t *testing.T, mode string, test func(t *testing.T, s *toldClient)) {
	t.Parallel()
	eachElsewhere(t, func(t *testing.T, e *elsewhere) {
		s := &toldClient{e, newEar(t)}
		s.registered(mode, s.ear.URL+"/told")
		s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
			return st.CreateAssignment(ctx, by, &models.Assignment{RoleID: models.OpenIDRoleID, PrincipalID: s.agent.ID})
		})
		test(t, s)
	})
}

func (s *toldClient) registered(mode, endpoint string) {
	s.TB.Helper()
	s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
		_, err := st.UpdateClient(ctx, by, s.agent.ID, models.AnyVersion, func(c *models.Client) { c.DeliveryMode, c.NotificationEndpoint = mode, endpoint })
		return err
	})
}

func (s *toldClient) asks(more url.Values) (authReqID string, approval models.Approval) {
	s.TB.Helper()
	form := harness.AskForm(s.user, s.service, "work:do")
	form.Set("client_notification_token", notificationToken)
	for name, values := range more {
		form[name] = values
	}
	authReqID, approval = s.AskUser(s.agent, form)
	s.notify()
	return authReqID, approval
}

func (s *toldClient) notify() {
	s.TB.Helper()
	require.NoError(s.TB, s.Endpoint.Notify(context.Background()))
}

// replica is another server on the same database, as after a restart.
func (s *toldClient) replica(caller grants.Caller) *grants.Endpoint {
	s.TB.Helper()
	store, err := models.Open(s.Database)
	require.NoError(s.TB, err)
	s.TB.Cleanup(func() { _ = store.Close() })
	keys, err := tokens.NewKeyring(context.Background(), s.URL, store, s.Master(), s.Clock.Now)
	require.NoError(s.TB, err)
	return grants.New(grants.Config{Issuer: s.URL, Store: store, Policy: s.Engine, Advice: s.Engine, Keys: keys, Now: s.Clock.Now, Log: harness.Silent(), Caller: caller, Word: s.Word})
}

func TestWordOfARequestReachesThePerson(t *testing.T) {
	t.Parallel()
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		form := harness.AskForm(s.user, s.service, "work:do")
		form.Set("binding_message", "Invoice 4711")
		secret, approval := s.AskUser(s.agent, form)
		require.Empty(t, s.Mailbox.Mails(), "what is not yet due is sent beside requests")
		require.NoError(t, s.Endpoint.Notify(context.Background()))
		mails := s.Mailbox.Mails()
		require.Len(t, mails, 1)
		require.Equal(t, "assistant waits for your answer", mails[0].Subject)
		require.Contains(t, mails[0].Text, "\n> Invoice 4711\n")
		require.Contains(t, mails[0].Text, s.URL+"/approvals/"+approval.ID)
		require.Contains(t, mails[0].Text, approval.CompareCode)
		require.NotContains(t, mails[0].Text+mails[0].HTML, secret, "nothing in it answers for anybody")
		e := s.LastEntry()
		require.Equal(t, []string{"tellWord", s.user.ID}, []string{e.Action, e.SubjectID})
		require.Contains(t, e.Detail, `"channel":"mail"`)
		require.NotContains(t, e.Detail, "4711")
		require.NoError(t, s.Endpoint.Notify(context.Background()))
		require.Len(t, s.Mailbox.Mails(), 1, "once")
	})
}

func TestNoWordOfWhatDoesNotWaitAnyMore(t *testing.T) {
	t.Parallel()
	eachElsewhere(t, func(t *testing.T, s *elsewhere) {
		_, approval := s.ask()
		s.Approve(s.person, approval.ID, s.service, "work:do")
		require.NoError(t, s.Endpoint.Notify(context.Background()))
		s.ask()
		s.Clock.Advance(6 * time.Minute)
		require.NoError(t, s.Endpoint.Notify(context.Background()))
		require.Empty(t, s.Mailbox.Mails())
		require.Equal(t, "giveUpWord", s.LastEntry().Action)
	})
}

func TestPing_TheClientIsToldToComeForTheAnswer(t *testing.T) {
	eachToldBy(t, models.DeliveryPing, func(t *testing.T, s *toldClient) {
		secret, approval := s.asks(nil)
		require.Empty(t, s.ear.since(), "nothing was answered")
		s.Approve(s.person, approval.ID, s.service, "work:do")
		s.notify()
		require.Equal(t, []map[string]any{{"auth_req_id": secret}}, s.ear.since(), "and nothing else: the token is for who authenticates")
		require.Equal(t, "Bearer "+notificationToken, s.ear.bearer)
		e := s.LastEntry()
		require.Equal(t, "tellPing", e.Action)
		require.NotContains(t, e.Detail, secret)
		require.NotContains(t, e.Detail, notificationToken)
		require.Equal(t, "work:do", s.token(harness.PollForm(secret)).String("scope"))
		s.Clock.Advance(2 * time.Minute)
		s.notify()
		require.Empty(t, s.ear.since(), "what was taken is not sent again")
		kept, err := s.Store.Approval(context.Background(), approval.ID)
		require.NoError(t, err)
		require.Empty(t, kept.NotificationToken, "its secrets are forgotten")
	})
}

func TestPing_ADenialIsAnAnswer(t *testing.T) {
	eachToldBy(t, models.DeliveryPing, func(t *testing.T, s *toldClient) {
		secret, approval := s.asks(nil)
		s.deny(approval.ID)
		s.notify()
		require.Len(t, s.ear.since(), 1)
		require.Equal(t, "access_denied", s.token(harness.PollForm(secret)).String("error"))
	})
}

func TestPush_TheTokenIsBoundToTheRequest(t *testing.T) {
	eachToldBy(t, models.DeliveryPush, func(t *testing.T, s *toldClient) {
		secret, approval := s.asks(url.Values{"scope": {"openid work:do"}})
		out, err := s.Endpoint.AnswerApproval(context.Background(), grants.Call{}, approval.ID, s.person, &policies.Answer{
			Scopes: []policies.Grants{{Resource: s.service.ID, Scope: "work:do"}, {Resource: models.OpenIDID, Scope: "openid"}}, Until: s.Clock.Now().Unix() + 3600,
		}, false)
		require.NoError(t, err)
		require.Equal(t, models.ApprovalApproved, out.State, "%+v", out)
		s.notify()
		heard := s.ear.since()
		require.Len(t, heard, 1)
		got := heard[0]
		require.Equal(t, []any{secret, "Bearer", "work:do"}, []any{got["auth_req_id"], got["token_type"], got["scope"]})
		require.Equal(t, "Bearer "+notificationToken, s.ear.bearer)
		access, refresh := got["access_token"].(string), got["refresh_token"].(string)
		e := s.LastEntry()
		require.Equal(t, "tellPush", e.Action)
		for _, secret := range []string{secret, access, refresh, notificationToken} {
			require.NotContains(t, e.Detail, secret)
		}
		require.True(t, s.Active(s.agent, access))
		i := &identified{sitting: s.sitting}
		_, claims := i.verified(harness.Answer{Status: http.StatusOK, JSON: got})
		require.Equal(t, tokens.TokenHash(access), claims["at_hash"])
		require.Equal(t, tokens.TokenHash(refresh), claims["urn:openid:params:jwt:claim:rt_hash"])
		require.Equal(t, secret, claims["urn:openid:params:jwt:claim:auth_req_id"])
		require.Equal(t, 1, s.Tokens())
	})
}

func TestPush_WhatIsPushedIsNotHandedOut(t *testing.T) {
	eachToldBy(t, models.DeliveryPush, func(t *testing.T, s *toldClient) {
		secret, approval := s.asks(nil)
		require.Equal(t, "unauthorized_client", s.token(harness.PollForm(secret)).String("error"))
		s.Approve(s.person, approval.ID, s.service, "work:do")
		require.Equal(t, "unauthorized_client", s.token(harness.PollForm(secret)).String("error"))
		require.Zero(t, s.Tokens())
		s.notify()
		require.Len(t, s.ear.since(), 1)
		require.Equal(t, 1, s.Tokens())
	})
}

func TestPush_ErrorsOfTheStandard(t *testing.T) {
	for want, happens := range map[string]func(s *toldClient, id string){
		"access_denied": func(s *toldClient, id string) { s.deny(id) },
		"expired_token": func(s *toldClient, _ string) { s.Clock.Advance(301 * time.Second) },
		"transaction_failed": func(s *toldClient, id string) { // KC CVE-2026-16103: fixed at initiation, forgotten at redemption
			s.Approve(s.person, id, s.service, "work:do")
			s.Do(func(ctx context.Context, st *models.Store, by models.By) error {
				_, err := st.SuspendUser(ctx, by, s.user.ID)
				return err
			})
		},
	} {
		t.Run(want, func(t *testing.T) {
			eachToldBy(t, models.DeliveryPush, func(t *testing.T, s *toldClient) {
				secret, approval := s.asks(nil)
				happens(s, approval.ID)
				s.notify()
				heard := s.ear.since()
				require.Len(t, heard, 1)
				require.Equal(t, []any{secret, want}, []any{heard[0]["auth_req_id"], heard[0]["error"]})
				require.NotContains(t, heard[0], "access_token")
				require.Zero(t, s.Tokens())
				s.Clock.Advance(time.Minute)
				s.notify()
				require.Empty(t, s.ear.since())
			})
		})
	}
}

func TestTold_WhatFailsTwiceIsSentAThirdTimeAndNeverAgain(t *testing.T) {
	for _, mode := range []string{models.DeliveryPing, models.DeliveryPush} {
		t.Run(mode, func(t *testing.T) {
			eachToldBy(t, mode, func(t *testing.T, s *toldClient) {
				_, approval := s.asks(nil)
				s.Approve(s.person, approval.ID, s.service, "work:do")
				var said []map[string]any
				for _, status := range []int{500, 503, 200} {
					s.ear.answers(status)
					s.notify()
					said = append(said, s.ear.since()...)
					s.notify()
					require.Empty(t, s.ear.since(), "not again at once")
					s.Clock.Advance(10 * time.Second)
				}
				require.Len(t, said, 3)
				require.Equal(t, said[0], said[1], "the same token, not another")
				require.Equal(t, said[0], said[2])
				for range 10 {
					s.Clock.Advance(time.Minute)
					s.notify()
				}
				require.Empty(t, s.ear.since())
			})
		})
	}
}

func TestTold_AcrossARestartBetweenAnswerAndDelivery(t *testing.T) {
	for _, mode := range []string{models.DeliveryPing, models.DeliveryPush} {
		t.Run(mode, func(t *testing.T) {
			eachToldBy(t, mode, func(t *testing.T, s *toldClient) {
				secret, approval := s.asks(nil)
				s.Approve(s.person, approval.ID, s.service, "work:do")
				require.NoError(t, s.replica(outbound.New(outbound.Reach{Loopback: true})).Notify(context.Background()))
				heard := s.ear.since()
				require.Len(t, heard, 1)
				require.Equal(t, secret, heard[0]["auth_req_id"])
				s.notify()
				require.Empty(t, s.ear.since())
			})
		})
	}
}

// dying is a server that is killed while it waits for the answer to what it sent.
type dying struct{ grants.Caller }

func (d dying) PostJSON(ctx context.Context, to string, header map[string]string, body []byte) (int, error) {
	_, _ = d.Caller.PostJSON(ctx, to, header, body)
	runtime.Goexit()
	return 0, nil
}

func TestTold_WhatWasBeingSentWhenTheServerDiedIsSentAgain(t *testing.T) {
	for _, mode := range []string{models.DeliveryPing, models.DeliveryPush} {
		t.Run(mode, func(t *testing.T) {
			eachToldBy(t, mode, func(t *testing.T, s *toldClient) {
				_, approval := s.asks(nil)
				s.Approve(s.person, approval.ID, s.service, "work:do")
				require.NoError(t, s.replica(dying{outbound.New(outbound.Reach{Loopback: true})}).Notify(context.Background()))
				first := s.ear.since()
				require.Len(t, first, 1)
				s.notify()
				require.Empty(t, s.ear.since(), "for all we know, somebody is at it")
				s.Clock.Advance(61 * time.Second)
				s.notify()
				require.Equal(t, first, s.ear.since(), "the same, and no second token")
				require.LessOrEqual(t, s.Tokens(), 1)
				s.Clock.Advance(61 * time.Second)
				s.notify()
				require.Empty(t, s.ear.since())
			})
		})
	}
}

func TestTold_OneOfManyReplicasTells(t *testing.T) {
	eachToldBy(t, models.DeliveryPush, func(t *testing.T, s *toldClient) {
		_, approval := s.asks(nil)
		s.Approve(s.person, approval.ID, s.service, "work:do")
		others := []*grants.Endpoint{s.Endpoint}
		for range 3 {
			others = append(others, s.replica(outbound.New(outbound.Reach{Loopback: true})))
		}
		harness.Parallel(8, func(i int) harness.Answer {
			_ = others[i%4].Notify(context.Background())
			return harness.Answer{}
		})
		require.Len(t, s.ear.since(), 1)
		require.Equal(t, 1, s.Tokens())
	})
}

func TestTold_ARefusalIsFinalAndARedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{400, 401, 403, 301, 302, 307, 308} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			eachToldBy(t, models.DeliveryPing, func(t *testing.T, s *toldClient) {
				_, approval := s.asks(nil)
				s.ear.answers(status)
				s.Approve(s.person, approval.ID, s.service, "work:do")
				for range 4 {
					s.notify()
					s.Clock.Advance(30 * time.Second)
				}
				require.Len(t, s.ear.since(), 1)
				e := s.LastEntry()
				require.Equal(t, "giveUpPing", e.Action)
				require.Contains(t, e.Detail, "answered ")
			})
		})
	}
}

// KC CVE-2026-1518: the notification endpoint is an address that a client chose.
func TestTold_AnAddressInsideIsNotReached(t *testing.T) {
	eachToldBy(t, models.DeliveryPush, func(t *testing.T, s *toldClient) {
		for _, inside := range []string{"https://10.0.0.1/told", "https://169.254.169.254/told", "https://[fd00::1]/told"} {
			s.registered(models.DeliveryPush, inside)
			_, approval := s.asks(nil)
			s.Approve(s.person, approval.ID, s.service, "work:do")
			for range 40 {
				s.notify()
				s.Clock.Advance(30 * time.Second)
			}
			e := s.LastEntry()
			require.Equal(t, "giveUpPush", e.Action)
			require.Contains(t, e.Detail, "not a public one")
		}
		store, err := models.Open(s.Database)
		require.NoError(t, err)
		defer store.Close()
		s.registered(models.DeliveryPush, s.ear.URL)
		_, approval := s.asks(nil)
		s.Approve(s.person, approval.ID, s.service, "work:do")
		require.NoError(t, s.replica(outbound.New(outbound.Reach{})).Notify(context.Background()), "this machine, but for trying out")
		require.Empty(t, s.ear.since())
	})
}

func TestTold_TheTokenOfTheClientMustBeLong(t *testing.T) {
	eachToldBy(t, models.DeliveryPing, func(t *testing.T, s *toldClient) {
		for _, bad := range []string{"", "short", strings.Repeat("x", 1025)} {
			form := harness.AskForm(s.user, s.service, "work:do")
			form.Set("client_notification_token", bad)
			require.Equal(t, "invalid_request", s.Form("/oauth2/bc-authorize", s.agent, form).String("error"))
		}
	})
}
