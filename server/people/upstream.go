package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/upstream"
)

// JourneyLife is how long somebody may take to sign in with a provider.
const JourneyLife = 10 * time.Minute

// Journey is what somebody goes to a provider for.
type Journey struct {
	Return  string // opaque, for when they are back
	Anew    bool   // they must show the provider who they are, even if it knows
	Strong  bool   // more than a password is wanted
	Hint    string
	Locales string
	Links   *grants.Person // whose account it is linked to; nil: they sign in
}

// journey is what Deputy must know when they are back. It is sealed and kept by
// their browser: who only sets out leaves nothing behind, and nobody else can come
// back in their place. That it was used is written down when it is.
type journey struct {
	Upstream string         `json:"u"`
	Visit    upstream.Visit `json:"v"`
	Return   string         `json:"r,omitempty"`
	Session  string         `json:"s,omitempty"` // of whoever links
	Until    int64          `json:"t"`
}

const journeyName = "upstream" // what the seal is bound to

// Providers are those one can sign in with now, oldest first.
func (p *People) Providers(ctx context.Context) ([]models.Upstream, error) {
	if p.upstreams == nil {
		return nil, nil
	}
	rows, _, err := p.store.Upstreams(ctx, models.Page{Limit: 50})
	return slices.DeleteFunc(rows, func(u models.Upstream) bool { return u.Status != models.StatusActive }), err
}

// SealUpstream seals a provider's client secret for the database; id is the provider's.
func (p *People) SealUpstream(id, secret string) []byte {
	return p.master.Seal(models.SealedUpstream(id), []byte(secret))
}

// provider reads a provider as it is spoken to.
func (p *People) provider(ctx context.Context, id string) (*upstream.Provider, error) {
	if p.upstreams == nil {
		return nil, &Problem{Reason: "upstream_gone"}
	}
	row, err := p.store.Upstream(ctx, id)
	if errors.Is(err, models.ErrNotFound) || err == nil && row.Status != models.StatusActive {
		return nil, &Problem{Reason: "upstream_gone"}
	}
	if err != nil {
		return nil, err
	}
	out := &upstream.Provider{
		Issuer: row.Issuer, ClientID: row.ClientID, Scopes: row.Scopes, ACRValues: row.ACRValues, Redirect: p.issuer + "/login/upstream/" + row.ID + "/callback",
	}
	if len(row.Sealed) > 0 {
		secret, err := p.master.Open(models.SealedUpstream(row.ID), row.Sealed)
		if err != nil {
			return nil, err
		}
		out.ClientSecret = string(secret)
	}
	return out, nil
}

// SetOut begins a journey: address is the provider's, and cookie is for the browser
// to bring back. A Problem says that the provider is not there.
func (p *People) SetOut(ctx context.Context, call grants.Call, id string, to Journey) (address, cookie string, err error) {
	provider, err := p.provider(ctx, id)
	if err != nil {
		return "", "", p.elsewhere(ctx, call, "", err)
	}
	j := journey{Upstream: id, Return: to.Return, Until: p.now().Add(JourneyLife).Unix(), Visit: upstream.Visit{
		State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), Strong: to.Strong, Hint: to.Hint, Locales: to.Locales,
	}}
	if !to.Anew {
		j.Visit.MaxAge = int64(SessionLife / time.Second)
	}
	if to.Links != nil {
		j.Session = to.Links.SessionID
	}
	if address, err = p.upstreams.Address(ctx, *provider, j.Visit); err != nil {
		return "", "", p.elsewhere(ctx, call, "", err)
	}
	body, err := json.Marshal(j)
	return address, base64.RawURLEncoding.EncodeToString(p.master.Seal(journeyName, body)), err
}

// elsewhere is a Problem of what went wrong at a provider.
func (p *People) elsewhere(ctx context.Context, call grants.Call, user string, err error) error {
	var problem upstream.Problem
	var told *Problem
	switch {
	case errors.As(err, &problem):
		told = &Problem{Reason: string(problem)}
	case errors.Is(err, upstream.ErrUnreachable):
		call.Event.Because(err)
		told = &Problem{Reason: "upstream_down"}
	case !errors.As(err, &told):
		return err
	}
	return p.refuse(ctx, call, grants.Failure{Action: "login.upstream", Reason: told.Reason, User: user}, told)
}

// Arrival is who came back from a provider.
type Arrival struct {
	*SignedIn        // nil: they linked their account
	Return    string // as they set out with
}

// Arrive completes a journey: it signs in whom the identity is linked to, or links
// it to whoever set out to. allow says that they may, at that moment.
func (p *People) Arrive(ctx context.Context, call grants.Call, b Browser, id, cookie string, a upstream.Answer, allow func(*grants.Person) (models.By, error)) (*Arrival, error) {
	j, provider, err := p.cameBack(ctx, id, cookie, a)
	if err != nil {
		return nil, p.elsewhere(ctx, call, "", err)
	}
	who, err := p.upstreams.Finish(ctx, *provider, j.Visit, a)
	if err != nil {
		return nil, p.elsewhere(ctx, call, "", err)
	}
	out := &Arrival{Return: j.Return}
	if j.Session != "" {
		return out, p.link(ctx, call, b, j, who, allow)
	}
	out.SignedIn, err = p.enter(ctx, call, b, j, who)
	return out, err
}

// cameBack reads what a browser brings, once.
func (p *People) cameBack(ctx context.Context, id, cookie string, a upstream.Answer) (*journey, *upstream.Provider, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(cookie) > 4096 {
		return nil, nil, upstream.WrongState
	}
	var j journey
	body, err := p.master.Open(journeyName, sealed)
	if err != nil || json.Unmarshal(body, &j) != nil || p.now().Unix() >= j.Until {
		return nil, nil, upstream.WrongState
	}
	// Each provider sends people back to a place of its own, so that none can pose
	// as another (RFC 9700 section 4.4.2).
	if j.Upstream != id || subtle.ConstantTimeCompare([]byte(j.Visit.State), []byte(a.State)) != 1 {
		return nil, nil, upstream.WrongState
	}
	provider, err := p.provider(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	err = p.store.UseUp(ctx, models.Once{Purpose: "upstream", Value: about(j.Visit.State), ExpiresAt: j.Until})
	if errors.Is(err, models.ErrUsed) {
		return nil, nil, upstream.WrongState
	}
	return &j, provider, err
}

// notLinked is told of everybody whom a provider knows and who cannot sign in here,
// whyever.
func notLinked() *Problem { return &Problem{Reason: "upstream_unlinked"} }

// enter signs in whom an identity is linked to.
func (p *People) enter(ctx context.Context, call grants.Call, b Browser, j *journey, who *upstream.Identity) (*SignedIn, error) {
	fail := func(reason, user string) error {
		return p.refuse(ctx, call, grants.Failure{Action: "login.upstream", Reason: reason, User: user}, notLinked())
	}
	identity, err := p.store.IdentityOf(ctx, who.Issuer, who.Subject)
	if errors.Is(err, models.ErrNotFound) {
		return nil, fail("identity_unlinked", "")
	}
	if err != nil {
		return nil, err
	}
	session := models.Session{UserID: identity.UserID, ACR: OneFactor, AMR: append([]string{}, who.AMR...), AuthTime: who.AuthTime, UpstreamID: j.Upstream}
	if session.AuthTime == 0 { // all that is known is that it is no longer ago than was asked for
		session.AuthTime = p.now().Unix() - j.Visit.MaxAge
	}
	if slices.Contains(who.AMR, "mfa") || slices.Contains(who.AMR, "hwk") {
		session.ACR = TwoFactors
	}
	if session.ACR == OneFactor {
		factor, err := p.store.TOTP(ctx, identity.UserID)
		if err == nil && factor.ConfirmedAt != 0 { // a provider that asked for one thing does not make the other needless
			return p.halfway(ctx, call, identity.UserID, models.LinkUpstreamFactor)
		}
		if err != nil && !errors.Is(err, models.ErrNotFound) {
			return nil, err
		}
	}
	in, err := p.begin(ctx, call, b, models.SignIn{Session: session, Identity: identity})
	if errors.Is(err, models.ErrNotFound) {
		return nil, fail("inactive_user", identity.UserID)
	}
	return in, err
}

// link makes an identity be whoever set out to link it, in the session in which
// they did.
func (p *People) link(ctx context.Context, call grants.Call, b Browser, j *journey, who *upstream.Identity, allow func(*grants.Person) (models.By, error)) error {
	person, err := p.Person(ctx, b.Session)
	if err != nil {
		return err
	}
	if person == nil || person.SessionID != j.Session {
		return p.elsewhere(ctx, call, "", upstream.WrongState)
	}
	by, err := allow(person)
	if err != nil {
		return err
	}
	err = p.store.LinkIdentity(ctx, by, &models.Identity{UserID: person.UserID, Issuer: who.Issuer, Subject: who.Subject})
	if errors.Is(err, models.ErrConflict) {
		return p.refuse(ctx, call, grants.Failure{Action: "account.identity", Reason: "identity_taken", User: person.UserID}, &Problem{Reason: "identity_taken"})
	}
	return err
}

// amrAfter is by what somebody is signed in who completed a second step of this purpose.
func amrAfter(purpose string) []string {
	if purpose == models.LinkUpstreamFactor {
		return []string{"otp", "mfa"}
	}
	return strings.Fields("pwd otp mfa")
}
