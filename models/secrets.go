package models

import (
	"crypto/rand"
	"encoding/base64"
	"hash/crc32"
	"strings"
)

// Everything secret that this server makes can be told from other text: it begins with
// a prefix of its kind and ends with a checksum of all before, so that a scanner of
// source code or logs need not guess, nor ask (docs/secrets.md).

// base62 are the digits of a checksum.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const (
	rowIDLength    = 26
	randomLength   = 43 // 256 bits in base64url
	checksumLength = 6  // 32 bits in base62
)

// Marked is a secret with its checksum: CRC-32 (IEEE) in six digits of base62.
func Marked(secret string) string {
	sum := crc32.ChecksumIEEE([]byte(secret))
	var digits [checksumLength]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return secret + string(digits[:])
}

// Genuine tells whether text has the form of a secret of this server's: nobody who is
// not looking for one makes it up by accident.
func Genuine(text string) bool {
	cut := len(text) - checksumLength
	return cut > 0 && len(text) <= 256 && (strings.HasPrefix(text, SecretPrefix) || strings.HasPrefix(text, "dpt_")) && Marked(text[:cut]) == text
}

// newSecret makes a secret of 256 random bits.
func newSecret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return Marked(prefix + base64.RawURLEncoding.EncodeToString(b[:]))
}

// newToken makes a secret that names the row it opens, so that the row is found
// by its id and the secret compared in constant time.
func newToken(prefix, id string) string { return newSecret(prefix + id[strings.IndexByte(id, '_')+1:]) }

// opens is the id of the row that a token of newToken names, "" if it names none.
func opens(prefix, kind, token string) string {
	rest, ok := strings.CutPrefix(token, prefix)
	if !ok || len(rest) != rowIDLength+randomLength+checksumLength {
		return ""
	}
	return kind + "_" + rest[:rowIDLength]
}
