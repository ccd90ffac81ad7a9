//go:build linux

package failure

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// jumps are what the clock does in turn. Their sum goes to before the server's
// first key and beyond the end of every token.
var jumps = []time.Duration{
	3 * time.Hour, -5 * time.Hour, 90 * time.Minute, -2 * time.Minute, 26 * time.Hour, -26 * time.Hour, time.Second, -3 * time.Hour, 8 * time.Hour,
}

// clockScene is a server whose clock jumps, and what was seen of its tokens.
type clockScene struct {
	*harness.Server
	t       *testing.T
	agent   *harness.Client
	service *models.ResourceServer

	tokens, exchanged, outlive, inverted, alive, revived, replayed, asked int
}

// The clock jumps to and fro by hours. No token outlives its parent or ends before
// it begins, none is taken before its time or after it, and what was ended or
// used up stays so, whatever the time is said to be.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, dialect := range harness.Dialects {
		t.Run(dialect, func(t *testing.T) {
			s := &clockScene{Server: harness.New(t, dialect, harness.Options{}), t: t}
			s.agent = s.WithKey(s.Agent("agent", s.User("owner")))
			s.service = s.Service("service", s.agent, "read")
			s.Allow(s.agent.ID, s.service, "read")
			var old []string
			revoked := s.Own(s.agent, s.service.Identifier, "read")
			s.ask("/oauth2/revoke", url.Values{"token": {revoked}}, http.StatusOK)
			for range rounds(1) {
				for _, jump := range jumps {
					used := s.useAssertion()
					s.Clock.Advance(jump)
					must(t, s.Endpoint.Tend(t.Context()))
					s.replay(used)
					s.Clock.Advance(-jump) // it was a mistake, set right at once
					s.replay(used)
					s.Clock.Advance(jump)
					old = append(old, s.step()...)
					s.lookBack(old)
					if s.Active(s.agent, revoked) {
						s.revived++
					}
				}
			}
			s.report()
		})
	}
}

// step gets a token and exchanges it, and holds both to their times.
func (s *clockScene) step() []string {
	s.t.Helper()
	own := s.Own(s.agent, s.service.Identifier, "read")
	next := s.Exchange(s.agent, own, s.service.Identifier, "read")
	s.tokens, s.exchanged = s.tokens+2, s.exchanged+1
	_, end := s.times(own)
	if _, after := s.times(next); after > end {
		s.outlive++
	}
	for _, raw := range []string{own, next} {
		begin, end := s.times(raw)
		if end <= begin || end-begin > 3600 || begin > s.Clock.Now().Unix() {
			s.inverted++
		}
	}
	return []string{own, next}
}

// lookBack asks what every token so far is worth by now.
func (s *clockScene) lookBack(old []string) {
	s.t.Helper()
	for _, raw := range old {
		begin, end := s.times(raw)
		now := s.Clock.Now().Unix()
		inTime := begin <= now+60 && now < end-1 // a second may pass while we ask
		s.asked++
		active := s.Active(s.agent, raw)
		traded := s.Form("/oauth2/token", s.agent, harness.ExchangeForm(raw, s.service.Identifier, "read"))
		switch {
		case traded.Status == http.StatusOK:
			if _, after := s.times(traded.String("access_token")); after > end {
				s.outlive++
			}
		case traded.Status != http.StatusBadRequest: // whatever else kept it from being judged
			s.t.Errorf("exchange: %d %s", traded.Status, traded.Body)
		}
		switch {
		case inTime && active:
			s.alive++
		case active && now >= end || traded.Status == http.StatusOK && now >= end:
			s.revived++
		case begin > now+61 && (active || traded.Status == http.StatusOK):
			s.revived++
		}
	}
}

func (s *clockScene) times(raw string) (begin, end int64) {
	s.t.Helper()
	claims := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(raw, claims)
	must(s.t, err)
	iat, err := claims.GetIssuedAt()
	must(s.t, err)
	exp, err := claims.GetExpirationTime()
	must(s.t, err)
	return iat.Unix(), exp.Unix()
}

// useAssertion gets a token with an assertion that lives for minutes.
func (s *clockScene) useAssertion() url.Values {
	s.t.Helper()
	form := harness.OwnForm(s.service.Identifier, "read")
	form.Set("client_assertion_type", harness.AssertionType)
	form.Set("client_assertion", s.Assertion(s.agent, func(_, claims map[string]any) {
		claims["exp"] = s.Clock.Now().Add(9 * time.Minute).Unix()
	}))
	if a := s.Form("/oauth2/token", nil, form); a.Status != http.StatusOK {
		s.t.Fatalf("assertion: %d %s", a.Status, a.Body)
	}
	s.tokens++
	return form
}

func (s *clockScene) replay(used url.Values) {
	s.t.Helper()
	if a := s.Form("/oauth2/token", nil, used); a.Status != http.StatusUnauthorized || a.String("error") != "invalid_client" {
		s.replayed++
		s.t.Errorf("a used assertion: %d %s", a.Status, a.Body)
	}
}

func (s *clockScene) ask(path string, form url.Values, status int) {
	s.t.Helper()
	if a := s.Form(path, s.agent, form); a.Status != status {
		s.t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
}

func (s *clockScene) report() {
	ctx := context.Background()
	must(s.t, s.Store.SignHead(ctx, s.Keys.LedgerSigner()))
	keys, err := s.Store.SigningKeys(ctx)
	must(s.t, err)
	at := slices.IndexFunc(keys, func(k models.SigningKey) bool { return k.Purpose == models.KeyForLedger })
	verifier, err := note.NewVerifier(keys[at].PublicJWK)
	must(s.t, err)
	v, err := s.Store.Verify(ctx, note.VerifierList(verifier), nil)
	must(s.t, err)
	s.t.Logf("tokens %d / outliving their parent %d / of impossible life %d", s.tokens, s.outlive, s.inverted)
	s.t.Logf("looked back %d times / in their time and active %d / expired, early or revoked but taken %d; used assertions accepted %d", s.asked, s.alive, s.revived, s.replayed)
	s.t.Logf("ledger: %d entries, findings %d", v.Entries, len(v.Findings))
	if bad := s.outlive + s.inverted + s.revived + s.replayed + len(v.Findings); bad != 0 || s.alive == 0 {
		s.t.Errorf("%d of these must be 0, and some must be active: %v", bad, v.Findings)
	}
	if n := s.Endpoint.Alarms(); n != 0 {
		s.t.Errorf("alarms %d", n)
	}
}
