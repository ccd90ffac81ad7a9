// Package tokens makes and reads access tokens: keys, signatures, claims. It
// signs what a decision says and nothing else.
package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/deputyauth/deputy/models"
)

// MasterKey seals private keys before they reach the database. While it takes the place
// of another, it opens what that one sealed, too.
type MasterKey struct {
	aead     cipher.AEAD
	refresh  []byte // what refresh tokens are derived from, if the database keeps nothing for it yet
	previous *MasterKey
}

// ErrMasterKey: something was sealed under another master key, or was altered.
var ErrMasterKey = errors.New("was sealed under another master key, or was altered")

// After is the key, taking the place of previous.
func (m MasterKey) After(previous MasterKey) MasterKey {
	m.previous = &MasterKey{aead: previous.aead, refresh: previous.refresh}
	return m
}

// NewMasterKey reads 32 random bytes in base64 (with or without padding, either
// alphabet).
func NewMasterKey(encoded string) (MasterKey, error) {
	s := strings.NewReplacer("-", "+", "_", "/", "=", "", "\n", "", " ", "").Replace(encoded)
	raw, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(raw) != 32 {
		return MasterKey{}, errors.New("the master key must be 32 random bytes in base64; make one with: openssl rand -base64 32")
	}
	key, err := hkdf.Key(sha256.New, raw, nil, "deputy signing keys", 32)
	if err != nil {
		return MasterKey{}, fmt.Errorf("derive sealing key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return MasterKey{}, fmt.Errorf("derive sealing key: %w", err)
	}
	refresh, err := hkdf.Key(sha256.New, raw, nil, "deputy refresh tokens", 32)
	if err != nil {
		return MasterKey{}, fmt.Errorf("derive key of refresh tokens: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return MasterKey{aead: aead, refresh: refresh}, err
}

// Seed is a secret that all replicas share, of a name of its own.
func (m MasterKey) Seed(name string) []byte {
	mac := hmac.New(sha256.New, m.refresh)
	mac.Write([]byte("seed\x00" + name))
	return mac.Sum(nil)
}

// GenerateMasterKey makes one, encoded.
func GenerateMasterKey() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(raw[:])
}

// Seal encrypts plain; name is bound to it, so one key cannot pose as another.
func (m MasterKey) Seal(name string, plain []byte) []byte {
	nonce := make([]byte, m.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return m.aead.Seal(nonce, nonce, plain, []byte(name))
}

// Seal encrypts what must be read again, for the database; name is bound to it.
func (k *Keyring) Seal(name string, plain []byte) []byte { return k.master.Seal(name, plain) }

// Open undoes Seal.
func (k *Keyring) Open(name string, sealed []byte) ([]byte, error) {
	return k.master.Open(name, sealed)
}

// Open undoes Seal. ErrMasterKey if neither this key nor the one before it sealed it.
func (m MasterKey) Open(name string, sealed []byte) ([]byte, error) {
	if plain, ok := m.open(name, sealed); ok {
		return plain, nil
	}
	if m.previous != nil {
		if plain, ok := m.previous.open(name, sealed); ok {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("key %s %w", name, ErrMasterKey)
}

func (m MasterKey) open(name string, sealed []byte) ([]byte, bool) {
	n := m.aead.NonceSize()
	if len(sealed) < n {
		return nil, false
	}
	plain, err := m.aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
	return plain, err == nil
}

// derivation is what refresh tokens were derived from so far, by the key that sealed
// the oldest there is.
func (m MasterKey) derivation(oldest models.SigningKey) []byte {
	if _, own := m.open(oldest.ID, oldest.Sealed); own || m.previous == nil {
		return m.refresh
	}
	return m.previous.refresh
}
