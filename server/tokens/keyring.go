package tokens

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/mod/sumdb/note"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
)

// Overlap is how long a retired key stays published: the longest life of a token, in seconds.
const Overlap = 86400

// maxRead bounds the memory of verified tokens; twice as many may be in it.
const maxRead = 8192

// Keyring holds the signing keys, unsealed, and renews itself from the database.
type Keyring struct {
	issuer string
	store  *models.Store
	master MasterKey
	derive []byte // what refresh tokens and the marks of user codes are derived from
	now    func() time.Time

	ring  atomic.Pointer[ring]
	mu    sync.Mutex  // one reload at a time
	looks looks       // for keys that others made
	lost  atomic.Bool // the keys of the database can no longer be opened
}

type ring struct {
	rows  []models.SigningKey // as they were read
	keys  []*key              // oldest first
	byID  map[string]*key
	jwks  []byte
	notes note.Signer
	// Tokens that were verified with these keys, by their digest.
	read *policies.Recent[[sha256.Size]byte, *Claims]
}

type key struct {
	models.SigningKey
	private *ecdsa.PrivateKey
	header  []byte // of the tokens it signs
}

// NewKeyring unseals the keys of the database, making the first ones if there
// are none. It fails if the master key is not the one they were sealed under.
func NewKeyring(ctx context.Context, issuer string, store *models.Store, master MasterKey, now func() time.Time) (*Keyring, error) {
	k := &Keyring{issuer: issuer, store: store, master: master, now: now}
	by := models.By{System: "start"}
	if err := k.add(ctx, by, 0, true); err != nil {
		return nil, fmt.Errorf("first signing key: %w", err)
	}
	if err := k.addLedgerKey(ctx, by); err != nil {
		return nil, fmt.Errorf("first ledger key: %w", err)
	}
	if err := k.Reload(ctx); err != nil { // before anything is sealed: the master key may be wrong
		return nil, err
	}
	return k, k.loadDerivation(ctx)
}

// loadDerivation reads what refresh tokens are derived from. It was drawn from the
// master key once and is kept since, so that it outlives that.
func (k *Keyring) loadDerivation(ctx context.Context) error {
	oldest := k.ring.Load().rows[0]
	row, err := k.store.DerivationKey(ctx, func(id string) []byte { return k.master.Seal(id, k.master.derivation(oldest)) })
	if err != nil {
		return err
	}
	k.derive, err = k.master.Open(row.ID, row.Sealed)
	return err
}

// Rotate makes the next signing key. It is published at once and signs after
// lead seconds, so that services have it before they meet it; the old one is
// published until the last of its tokens has expired.
func (k *Keyring) Rotate(ctx context.Context, by models.By, lead int64) (*models.SigningKey, error) {
	next, err := k.newTokenKey(lead)
	if err != nil {
		return nil, err
	}
	if err := k.store.AddSigningKey(ctx, by, next, Overlap, false); err != nil {
		return nil, err
	}
	return next, k.Reload(ctx)
}

func (k *Keyring) add(ctx context.Context, by models.By, lead int64, onlyIfNone bool) error {
	next, err := k.newTokenKey(lead)
	if err != nil {
		return err
	}
	return k.store.AddSigningKey(ctx, by, next, Overlap, onlyIfNone)
}

func (k *Keyring) newTokenKey(lead int64) (*models.SigningKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	id := models.NewID(models.PrefixKey)
	public, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"})
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return &models.SigningKey{
		ID: id, Purpose: models.KeyForTokens, Alg: "ES256", PublicJWK: string(public),
		Sealed: k.master.Seal(id, der), ActiveAt: k.now().Unix() + lead,
	}, nil
}

// RotateLedger makes the key that signs the ledger's heads from now on. Heads that the
// ones before it signed go on to be verified by those.
func (k *Keyring) RotateLedger(ctx context.Context, by models.By) (*models.SigningKey, error) {
	next, err := k.newLedgerKey()
	if err != nil {
		return nil, err
	}
	if err := k.store.AddSigningKey(ctx, by, next, Overlap, false); err != nil {
		return nil, err
	}
	return next, k.handOver(ctx)
}

// handOver has the ledger's key sign once more, over the entry that brought the next one,
// and that sign from now on: who trusts the one can see that the other is genuine.
func (k *Keyring) handOver(ctx context.Context) error {
	return errors.Join(k.store.SignHead(ctx, k.LedgerSigner()), k.Reload(ctx))
}

func (k *Keyring) addLedgerKey(ctx context.Context, by models.By) error {
	next, err := k.newLedgerKey()
	if err != nil {
		return err
	}
	return k.store.AddSigningKey(ctx, by, next, Overlap, true)
}

// newLedgerKey makes an Ed25519 key for tree heads (sumdb/note).
func (k *Keyring) newLedgerKey() (*models.SigningKey, error) {
	private, public, err := note.GenerateKey(rand.Reader, "deputy-ledger")
	if err != nil {
		return nil, err
	}
	id := models.NewID(models.PrefixKey)
	return &models.SigningKey{
		ID: id, Purpose: models.KeyForLedger, Alg: "Ed25519", PublicJWK: public,
		Sealed: k.master.Seal(id, []byte(private)), ActiveAt: k.now().Unix(),
	}, nil
}

// Reload reads the keys of the database anew.
func (k *Keyring) Reload(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	rows, err := k.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	if now := k.ring.Load(); now != nil && slices.EqualFunc(rows, now.rows, sameKey) {
		return nil // what was verified stays so
	}
	next := &ring{rows: rows, byID: map[string]*key{}, read: policies.NewRecent[[sha256.Size]byte, *Claims](maxRead)}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, row := range rows {
		plain, err := k.master.Open(row.ID, row.Sealed)
		k.lost.Store(err != nil)
		if err != nil {
			return err
		}
		if row.Purpose == models.KeyForLedger {
			if now := k.now().Unix(); next.notes != nil && (row.ActiveAt > now || row.RetiresAt <= now) {
				continue
			}
			if next.notes, err = note.NewSigner(string(plain)); err != nil {
				return fmt.Errorf("ledger key %s: %w", row.ID, err)
			}
			continue
		}
		one, err := unsealed(row, plain)
		if err != nil {
			return err
		}
		next.keys, next.byID[row.ID] = append(next.keys, one), one
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: one.private.Public(), KeyID: row.ID, Algorithm: row.Alg, Use: "sig"})
	}
	if next.jwks, err = json.Marshal(set); err != nil {
		return fmt.Errorf("encode key set: %w", err)
	}
	k.ring.Store(next)
	return nil
}

func unsealed(row models.SigningKey, plain []byte) (*key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s: not an ECDSA key", row.ID)
	}
	header, err := headerOf(row.ID, typAccess)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
	}
	return &key{SigningKey: row, private: private, header: header}, nil
}

// sameKey tells whether a key was read before, as it is now.
func sameKey(a, b models.SigningKey) bool {
	return a.ID == b.ID && a.ActiveAt == b.ActiveAt && a.RetiresAt == b.RetiresAt && a.ExpiresAt == b.ExpiresAt &&
		a.PublicJWK == b.PublicJWK && bytes.Equal(a.Sealed, b.Sealed)
}

// JWKS is the published key set (RFC 7517).
func (k *Keyring) JWKS() []byte { return k.ring.Load().jwks }

// LedgerSigner signs tree heads.
func (k *Keyring) LedgerSigner() note.Signer { return k.ring.Load().notes }

// ErrTooLarge: the token would be larger than Deputy itself reads.
var ErrTooLarge = fmt.Errorf("a token holds at most %d bytes", maxToken)

// errNoKey: no key is active, so nothing can be signed.
var errNoKey = errors.New("no signing key is active")

// Lost reports that the keys of the database are sealed under another master key by now.
// Those that were read before go on to serve, but what is new is not seen.
func (k *Keyring) Lost() bool { return k.lost.Load() }

// Ready reports whether there is a key to sign with.
func (k *Keyring) Ready() bool { return k.active() != nil }

// active is the youngest key that signs now, nil if none does.
func (k *Keyring) active() *key {
	r := k.ring.Load()
	if r == nil { // nothing was ever read
		return nil
	}
	var use *key
	now := k.now().Unix()
	if len(r.keys) > 0 && now < r.keys[0].ActiveAt {
		use = r.keys[0] // the clock was set back to before there were keys
	}
	for _, one := range r.keys {
		if one.ActiveAt <= now && now < one.RetiresAt {
			use = one
		}
	}
	return use
}

// Sign writes the claims as a JWT of RFC 9068 (typ at+jwt).
func (k *Keyring) Sign(c Claims) (string, error) {
	text, use, err := k.unsigned(c)
	if err != nil {
		return "", err
	}
	signature, err := sign(text, use.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return string(b64.AppendEncode(append(text, '.'), signature)), nil
}

// Fits tells whether Sign would refuse the claims for their size: ErrTooLarge.
func (k *Keyring) Fits(c Claims) error {
	_, _, err := k.unsigned(c)
	return err
}

// unsigned is a token without its signature, and the key to sign it with.
func (k *Keyring) unsigned(c Claims) ([]byte, *key, error) {
	use := k.active()
	if use == nil {
		return nil, nil, errNoKey
	}
	c.Issuer = k.issuer
	text, err := signingInput(use.header, c)
	if err != nil {
		return nil, nil, fmt.Errorf("write token: %w", err)
	}
	if len(text)+signatureSize > maxToken {
		return nil, nil, ErrTooLarge // we could not read it back, and so not revoke it
	}
	return text, use, nil
}
