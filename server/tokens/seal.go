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
)

// MasterKey seals private keys before they reach the database, and makes refresh
// tokens that are stored nowhere.
type MasterKey struct {
	aead    cipher.AEAD
	refresh []byte
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
	return MasterKey{aead, refresh}, err
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

// Open undoes Seal.
func (m MasterKey) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < m.aead.NonceSize() {
		return nil, errors.New("sealed key is too short")
	}
	n := m.aead.NonceSize()
	plain, err := m.aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("key %s was sealed under another master key, or was altered", name)
	}
	return plain, nil
}
