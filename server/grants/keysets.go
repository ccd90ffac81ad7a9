package grants

import (
	"cmp"
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
	keySetsKept    = 1 << 12
	keySetAging    = 8 * time.Minute  // then it is read again, while nobody waits for that
	keySetFresh    = 10 * time.Minute // then whoever needs it waits
	keySetUsable   = time.Hour        // without an answer from there; then its keys prove nothing
	keySetPause    = 30 * time.Second // between two attempts to read it
	keySetRetry    = 10 * time.Second // likewise, after one that failed
	keySetTimeout  = 5 * time.Second
	keySetPatience = time.Second // with what somebody else is reading
)

// errBeingRead: the answer of an address is not there yet.
var errBeingRead = errors.New("it is being read")

// keySets knows the keys at addresses of clients. A key that is taken from an address
// proves nothing ten minutes later; one that is new there is found when it is first used.
// Of each address there is one reading at a time, and an address that answers slowly holds
// up nobody whose key is known.
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
	err         error         // of the last attempt
	reading     chan struct{} // closed when the reading that is under way ends; nil: none is
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
// An error means that there may be others, which cannot be known now.
func (k *keySets) keys(ctx context.Context, uri, kid string) ([]string, error) {
	s := k.of(uri)
	keys, known, reading, mine := k.look(ctx, uri, s, kid)
	switch {
	case known:
		return keys, nil
	case reading == nil:
		return k.usable(s, uri, kid)
	}
	patience := keySetPatience
	if mine {
		patience = keySetTimeout
	}
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case <-reading:
	case <-over.C:
	case <-ctx.Done():
	}
	return k.usable(s, uri, kid)
}

// look gives the keys if they are known, and sees to it that they are read if that is
// due: reading is closed then, and mine if this is whoever began it.
func (k *keySets) look(ctx context.Context, uri string, s *keySet, kid string) (keys []string, known bool, reading chan struct{}, mine bool) {
	now := k.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	known = s.has(kid, now)
	pause := keySetPause
	if s.err != nil {
		pause = keySetRetry
	}
	due := !known || now.Sub(s.read) >= keySetAging
	if due && s.reading == nil && now.Sub(s.tried) >= pause {
		mine, s.tried, s.reading = true, now, make(chan struct{})
		go k.load(context.WithoutCancel(ctx), uri, s) // whoever asked may leave: the next one needs it, too
	}
	return s.keys, known, s.reading, mine
}

// has tells whether a key is known by its name; "": whether any are.
func (s *keySet) has(kid string, now time.Time) bool {
	return now.Sub(s.read) < keySetFresh && (kid == "" || s.kids[kid])
}

// usable is what can be said once there is nothing to wait for any more.
func (k *keySets) usable(s *keySet, uri, kid string) ([]string, error) {
	now := k.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	if s.reading != nil {
		err = cmp.Or(err, errBeingRead)
	}
	switch {
	case now.Sub(s.read) >= keySetUsable:
		return nil, fmt.Errorf("keys at %s: %w", uri, cmp.Or(err, errBeingRead))
	case err != nil && !s.has(kid, now):
		return s.keys, fmt.Errorf("keys at %s: %w", uri, err)
	}
	return s.keys, nil
}

// load reads a set, and lets those go on who wait for it.
func (k *keySets) load(ctx context.Context, uri string, s *keySet) {
	keys, err := k.fetch(ctx, uri)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err = err; err == nil {
		s.keys, s.kids, s.read = keys, kidsOf(keys), s.tried
	}
	close(s.reading)
	s.reading = nil
}

func (k *keySets) fetch(ctx context.Context, uri string) ([]string, error) {
	if k.caller == nil {
		return nil, errors.New("nothing is called from here")
	}
	ctx, cancel := context.WithTimeout(ctx, keySetTimeout)
	defer cancel()
	body, err := k.caller.Get(ctx, uri)
	if err != nil {
		return nil, err
	}
	return tokens.ReadKeySet(body)
}

func kidsOf(keys []string) map[string]bool {
	kids := map[string]bool{}
	for _, jwk := range keys {
		var named struct {
			ID string `json:"kid"`
		}
		if json.Unmarshal([]byte(jwk), &named) == nil {
			kids[named.ID] = true
		}
	}
	return kids
}

// unfolded are credentials with which something could be signed: where a client's keys
// are at an address, each of them. If that cannot be read now, the error says so, and
// there are those that are known.
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
