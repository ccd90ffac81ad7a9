package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/tokens"
)

// Bounds of what is known of keys that clients keep at an address of theirs.
const (
	keySetsKept   = 1 << 12
	keySetFresh   = 10 * time.Minute // then it is read again
	keySetUsable  = time.Hour        // without an answer from there; then its keys prove nothing
	keySetPause   = 30 * time.Second // between two attempts to read it
	keySetTimeout = 5 * time.Second
)

// keySets knows the keys at addresses of clients. A key that is taken from an address
// proves nothing ten minutes later; one that is new there is found when it is first used.
type keySets struct {
	caller Caller
	now    func() time.Time
	sets   *policies.Recent[string, *keySet]
	making sync.Mutex
}

type keySet struct {
	mu          sync.Mutex
	keys        []string // JWKs
	kids        map[string]bool
	read, tried time.Time
	err         error // of the last attempt
}

func newKeySets(caller Caller, now func() time.Time) *keySets {
	return &keySets{caller: caller, now: now, sets: policies.NewRecent[string, *keySet](keySetsKept)}
}

func (k *keySets) of(uri string) *keySet {
	k.making.Lock()
	defer k.making.Unlock()
	s, ok := k.sets.Get(uri)
	if !ok {
		s = &keySet{}
		k.sets.Put(uri, s)
	}
	return s
}

// keys are those at an address, read anew where the one that is named is not among them.
// An error means that it cannot be known.
func (k *keySets) keys(ctx context.Context, uri, kid string) ([]string, error) {
	s, now := k.of(uri), k.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	known := now.Sub(s.read) < keySetFresh && (kid == "" || s.kids[kid])
	if !known && now.Sub(s.tried) >= keySetPause {
		s.tried = now
		s.err = k.load(ctx, uri, s)
	}
	if now.Sub(s.read) >= keySetUsable {
		return nil, fmt.Errorf("keys at %s: %w", uri, s.err)
	}
	return s.keys, nil
}

// load reads a set. Whoever asked for it may leave: the next one needs it, too.
func (k *keySets) load(ctx context.Context, uri string, s *keySet) error {
	if k.caller == nil {
		return errors.New("nothing is called from here")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keySetTimeout)
	defer cancel()
	body, err := k.caller.Get(ctx, uri)
	if err != nil {
		return err
	}
	keys, err := tokens.ReadKeySet(body)
	if err != nil {
		return err
	}
	s.keys, s.kids, s.read = keys, map[string]bool{}, s.tried
	for _, jwk := range keys {
		var named struct {
			ID string `json:"kid"`
		}
		if json.Unmarshal([]byte(jwk), &named) == nil {
			s.kids[named.ID] = true
		}
	}
	return nil
}

// unfolded are credentials with which something could be signed: where a client's keys
// are at an address, each of them. If that cannot be read now, the error says so, and
// there are those of the others.
func (e *Endpoint) unfolded(ctx context.Context, live []models.Credential, signed string, now int64) (out []models.Credential, err error) {
	for _, c := range live {
		switch {
		case !c.Live(now):
		case c.Kind == models.CredentialKey:
			out = append(out, c)
		case c.Kind == models.CredentialKeySet:
			keys, failed := e.keySets.keys(ctx, c.JWKSURI, signedWith(signed))
			if failed != nil {
				err = failed
			}
			for _, jwk := range keys {
				c.PublicJWK = jwk
				out = append(out, c)
			}
		}
	}
	return out, err
}

// signedWith is the key that a JWT says it is signed with, "" if it does not.
func signedWith(raw string) string {
	t, _, err := jwt.NewParser().ParseUnverified(raw, &jwt.RegisteredClaims{})
	if err != nil {
		return ""
	}
	kid, _ := t.Header["kid"].(string)
	return kid
}
