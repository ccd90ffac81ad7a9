// Package people knows how persons prove who they are: passwords, second
// factors, passkeys, one-time links, and the sessions that follow. It knows no
// Gin and no GORM, and it decides nothing about what anybody may do.
package people

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/tokens"
	"github.com/deputyauth/deputy/server/upstream"
)

// How long sign-ins last.
const (
	SessionLife   = 12 * time.Hour   // whatever happens
	SessionIdle   = time.Hour        // without a request
	SecondStep    = 5 * time.Minute  // from the password to the code
	ChallengeLife = 5 * time.Minute  // of a passkey
	SetupLife     = 30 * time.Minute // of a setup link
	DeviceLife    = 180 * 24 * time.Hour
	keepEnded     = 30 * 24 * time.Hour // sessions and links, for those who ask what was
)

// Authentication context classes, as policy and tokens name them.
const (
	OneFactor  = "1" // a password
	TwoFactors = "2" // a passkey, or a password and a code
)

// Failures records failures in the ledger, or counts them (grants.Endpoint).
type Failures interface {
	NoteFailure(ctx context.Context, call grants.Call, f grants.Failure) error
}

// Config of People; every field is required but Upstreams.
type Config struct {
	Issuer   string
	Store    *models.Store
	Master   tokens.MasterKey // seals second factors and devices
	Failures Failures
	Limits   limits.Config
	Now      func() time.Time

	Upstreams *upstream.Clients // speaks to OpenID providers; nil: nobody signs in with any
}

// People signs people in and out. It is safe for concurrent use.
type People struct {
	store    *models.Store
	master   tokens.MasterKey
	failures Failures
	now      func() time.Time
	issuer   string
	host     string
	limits   *limits.Limits  // of failures here alone: those of clients hold nobody back
	backoff  *limits.Backoff // nil: failures are not limited
	seen     *lastSeen
	keys     *webauthn.WebAuthn // nil: no passkeys here

	upstreams    *upstream.Clients // nil: none
	administered atomic.Bool       // somebody does; that stays so
}

// New makes People for an issuer.
func New(c Config) (*People, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	p := &People{
		store: c.Store, master: c.Master, failures: c.Failures, now: c.Now, issuer: c.Issuer, host: u.Hostname(), upstreams: c.Upstreams, limits: limits.New(c.Limits, c.Now), seen: newLastSeen(),
	}
	if c.Limits.FailureBurst > 0 {
		p.backoff = limits.NewBackoff(c.Store, c.Master.Seed("sign_in"), c.Now)
	}
	p.keys, err = relyingParty(u)
	return p, err
}

// Problem is what is wrong with what a person sent; everything else a method
// returns is a fault of ours.
type Problem struct {
	Reason string        // a code, for which pages have words
	Field  string        // of the form, "" if it is none in particular
	Wait   time.Duration // until it makes sense to try again
}

func (p *Problem) Error() string { return p.Reason }

// SignedIn is what a browser gets that somebody signed in with.
type SignedIn struct {
	Session *models.Session
	Secret  string // of the session, for its cookie
	Device  string // shows later that somebody signed in here before
	Pending string // instead of all these: a second factor is needed, and this names the attempt
}

// Browser is what a sign-in knows of where it comes from.
type Browser struct {
	Session string // secret of the session it had, which is replaced
	Device  string
}

// Person is who a session secret belongs to; nil if it is nobody, or no longer.
func (p *People) Person(ctx context.Context, secret string) (*grants.Person, error) {
	s, err := p.session(ctx, secret)
	if s == nil || err != nil {
		return nil, err
	}
	p.seen.note(s.ID, s.LastSeenAt, p.now().Unix())
	return person(s), nil
}

// Unseen is Person for what runs by itself: it keeps no session alive.
func (p *People) Unseen(ctx context.Context, secret string) (*grants.Person, error) {
	s, err := p.session(ctx, secret)
	if s == nil || err != nil {
		return nil, err
	}
	return person(s), nil
}

func person(s *models.Session) *grants.Person {
	return &grants.Person{UserID: s.UserID, SessionID: s.ID, AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR}
}

func (p *People) session(ctx context.Context, secret string) (*models.Session, error) {
	if secret == "" || len(secret) > 128 {
		return nil, nil
	}
	s, err := p.store.LiveSession(ctx, secret, int64(SessionIdle/time.Second))
	if errors.Is(err, models.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// begin starts a session with what was proved.
func (p *People) begin(ctx context.Context, call grants.Call, b Browser, in models.SignIn) (*SignedIn, error) {
	old, err := p.session(ctx, b.Session)
	if err != nil {
		return nil, err
	}
	if old != nil {
		in.Replaces = old.ID
	}
	in.Session.IP, in.Session.UserAgent = call.IP, cut(call.UserAgent, 300)
	in.Session.ExpiresAt = p.now().Add(SessionLife).Unix()
	secret, session, err := p.store.BeginSession(ctx, By(call, in.Session.UserID), in)
	if err != nil {
		return nil, err
	}
	return &SignedIn{Session: session, Secret: secret, Device: p.newDevice(session.UserID)}, nil
}

// SignOut ends a session. That it ended already is no error.
func (p *People) SignOut(ctx context.Context, call grants.Call, secret string) error {
	s, err := p.session(ctx, secret)
	if s == nil || err != nil {
		return err
	}
	return p.store.SignOut(ctx, By(call, s.UserID), s.UserID, s.ID)
}

// Sessions are those in which a user is signed in now, oldest first.
func (p *People) Sessions(ctx context.Context, userID string) ([]models.Session, error) {
	return p.store.LiveSessions(ctx, userID, int64(SessionIdle/time.Second))
}

// By says who signs in or out, or is let in by a link. What somebody changes of
// their account besides is policy's to allow, which says who does (grants.Endpoint.Account).
func By(call grants.Call, userID string) models.By {
	return models.By{SubjectID: userID, RequestID: call.RequestID, IP: call.IP}
}

// refuse records a failure and says what the person is told.
func (p *People) refuse(ctx context.Context, call grants.Call, f grants.Failure, told *Problem) error {
	if err := p.failures.NoteFailure(ctx, call, f); err != nil {
		return err
	}
	return told
}

// about tells names apart in memory, without keeping them.
func about(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return valid(s)
}
