package people

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// relyingParty is how authenticators know the issuer: by its host. At a bare
// address there are no passkeys (WebAuthn section 5.1.2), and this is nil.
func relyingParty(issuer *url.URL) (*webauthn.WebAuthn, error) {
	if net.ParseIP(issuer.Hostname()) != nil {
		return nil, nil
	}
	origin := issuer.Scheme + "://" + strings.TrimSuffix(issuer.Host, map[string]string{"https": ":443", "http": ":80"}[issuer.Scheme])
	w, err := webauthn.New(&webauthn.Config{
		RPID: issuer.Hostname(), RPDisplayName: "Deputy", RPOrigins: []string{origin}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return w, nil
}

// Passkeys tells whether there can be any here.
func (p *People) Passkeys() bool { return p.keys != nil }

// What a challenge is for; none can stand in for another.
const forSignIn = "sign-in"

func forRegistration(sessionID string) string { return "registration:" + sessionID }

// challenge makes one that only Deputy can have made, with the time at which it
// ends sealed in it. So nothing is kept of challenges that nobody answers; that
// one is answered is written down when it is.
func (p *People) challenge(purpose string) []byte {
	var plain [24]byte
	binary.BigEndian.PutUint64(plain[:], uint64(p.now().Add(ChallengeLife).Unix()))
	_, _ = rand.Read(plain[8:]) // never fails (crypto/rand)
	return p.master.Seal("passkey:"+purpose, plain[:])
}

// answered is the single use of a challenge; false if it is none, or too old.
func (p *People) answered(purpose, challenge string) (models.Once, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil {
		return models.Once{}, false
	}
	plain, err := p.master.Open("passkey:"+purpose, sealed)
	if err != nil || len(plain) != 24 {
		return models.Once{}, false
	}
	until := int64(binary.BigEndian.Uint64(plain))
	return models.Once{Purpose: "passkey", Value: about(challenge), ExpiresAt: until}, p.now().Unix() < until
}

// noPasskey is told of every passkey that does not sign anybody in.
func noPasskey() *Problem { return &Problem{Reason: "wrong_passkey"} }

// owner is a user as the library wants to see one.
type owner struct {
	user *models.User
	rows []models.Passkey
	keys []webauthn.Credential
}

// WebAuthnID is webauthn.User: the id, which says nothing about the person.
func (o *owner) WebAuthnID() []byte { return []byte(o.user.ID) }

// WebAuthnName is webauthn.User.
func (o *owner) WebAuthnName() string { return o.user.Username }

// WebAuthnDisplayName is webauthn.User.
func (o *owner) WebAuthnDisplayName() string {
	if o.user.Name == "" {
		return o.user.Username
	}
	return o.user.Name
}

// WebAuthnCredentials is webauthn.User.
func (o *owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

func (p *People) owner(ctx context.Context, userID string) (*owner, error) {
	user, err := p.store.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	o := &owner{user: user}
	if o.rows, err = p.store.Passkeys(ctx, userID); err != nil {
		return nil, err
	}
	for _, row := range o.rows {
		var key webauthn.Credential
		if err := json.Unmarshal([]byte(row.Record), &key); err != nil {
			return nil, fmt.Errorf("passkey %s: %w", row.ID, err)
		}
		key.Authenticator.SignCount = uint32(row.SignCount)
		o.keys = append(o.keys, key)
	}
	return o, nil
}

// PasskeyOptions is what a browser needs to sign in with a passkey, without a
// user name (WebAuthn section 5.5), as JSON.
func (p *People) PasskeyOptions() ([]byte, error) {
	if p.keys == nil {
		return nil, noPasskey()
	}
	options, _, err := p.keys.BeginDiscoverableLogin(webauthn.WithChallenge(p.challenge(forSignIn)))
	if err != nil {
		return nil, fmt.Errorf("passkey options: %w", err)
	}
	return json.Marshal(options)
}

// SignInWithPasskey signs in whoever answered the challenge (WebAuthn section 7.2).
func (p *People) SignInWithPasskey(ctx context.Context, call grants.Call, b Browser, body []byte) (*SignedIn, error) {
	refuse := func(reason, user string) error {
		return p.refuse(ctx, call, grants.Failure{Action: "login.passkey", Reason: reason, User: user}, noPasskey())
	}
	if p.keys == nil {
		return nil, noPasskey()
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes(body)
	if err != nil {
		return nil, refuse("unreadable_passkey", "")
	}
	challenge := answer.Response.CollectedClientData.Challenge
	once, ok := p.answered(forSignIn, challenge)
	if !ok {
		return nil, refuse("old_challenge", "")
	}
	o, err := p.owner(ctx, valid(string(answer.Response.UserHandle)))
	if errors.Is(err, models.ErrNotFound) {
		return nil, refuse("unknown_user", "")
	}
	if err != nil {
		return nil, err
	}
	session := webauthn.SessionData{Challenge: challenge, RelyingPartyID: p.host, UserVerification: protocol.VerificationRequired}
	_, key, err := p.keys.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return o, nil }, session, answer)
	if err != nil {
		return nil, refuse("wrong_passkey", o.user.ID)
	}
	if key.Authenticator.CloneWarning {
		return nil, refuse("copied_passkey", o.user.ID)
	}
	in := models.SignIn{Once: &once, Session: models.Session{UserID: o.user.ID, ACR: TwoFactors, AMR: methods(key)}}
	if in.Passkey, err = o.used(key); err != nil {
		return nil, err
	}
	done, err := p.begin(ctx, call, b, in)
	if errors.Is(err, models.ErrUsed) || errors.Is(err, models.ErrNotFound) {
		return nil, refuse("used_challenge", o.user.ID) // or the key was, or its owner may not be here
	}
	return done, err
}

// methods are what RFC 8176 calls a passkey: a key in hardware, or one that is
// copied between devices, and somebody who was there and proved it to the device.
func methods(key *webauthn.Credential) []string {
	kind := "hwk"
	if key.Flags.BackupEligible {
		kind = "swk"
	}
	return []string{kind, "user", "mfa"}
}

// used is the row of a key after it was used.
func (o *owner) used(key *webauthn.Credential) (*models.Passkey, error) {
	record, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(key.ID)
	for _, row := range o.rows {
		if row.CredentialID == id {
			row.Record, row.SignCount = string(record), int64(key.Authenticator.SignCount)
			return &row, nil
		}
	}
	return nil, fmt.Errorf("passkey %s: %w", id, models.ErrNotFound)
}

// NewPasskeyOptions is what a browser needs to make a passkey for somebody who is
// signed in (WebAuthn section 5.4), as JSON.
func (p *People) NewPasskeyOptions(ctx context.Context, who grants.Person) ([]byte, error) {
	if p.keys == nil {
		return nil, noPasskey()
	}
	o, err := p.owner(ctx, who.UserID)
	if err != nil {
		return nil, err
	}
	options, _, err := p.keys.BeginRegistration(o, webauthn.WithExclusions(webauthn.Credentials(o.keys).CredentialDescriptors()),
		func(c *protocol.PublicKeyCredentialCreationOptions) error {
			c.Challenge = p.challenge(forRegistration(who.SessionID))
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("passkey options: %w", err)
	}
	return json.Marshal(options)
}

// AddPasskey registers the passkey that a browser made (WebAuthn section 7.1).
func (p *People) AddPasskey(ctx context.Context, call grants.Call, by models.By, who grants.Person, name string, body []byte) (*models.Passkey, error) {
	refuse := func(reason string) error {
		return p.refuse(ctx, call, grants.Failure{Action: "account.passkey", Reason: reason, User: who.UserID}, noPasskey())
	}
	if p.keys == nil {
		return nil, noPasskey()
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes(body)
	if err != nil {
		return nil, refuse("unreadable_passkey")
	}
	challenge := answer.Response.CollectedClientData.Challenge
	once, ok := p.answered(forRegistration(who.SessionID), challenge)
	if !ok {
		return nil, refuse("old_challenge")
	}
	o, err := p.owner(ctx, who.UserID)
	if err != nil {
		return nil, err
	}
	key, err := p.keys.CreateCredential(o, webauthn.SessionData{
		Challenge: challenge, RelyingPartyID: p.host, UserID: o.WebAuthnID(), UserVerification: protocol.VerificationRequired,
		CredParams: webauthn.CredentialParametersDefault(),
	}, answer)
	if err != nil {
		return nil, refuse("wrong_passkey")
	}
	record, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	row := &models.Passkey{
		UserID: who.UserID, Name: cut(name, 100), CredentialID: base64.RawURLEncoding.EncodeToString(key.ID),
		Record: string(record), SignCount: int64(key.Authenticator.SignCount),
	}
	err = p.store.CreatePasskey(ctx, by, row, once)
	if errors.Is(err, models.ErrUsed) || errors.Is(err, models.ErrConflict) {
		return nil, refuse("used_challenge")
	}
	return row, err
}
