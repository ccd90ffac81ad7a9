package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// coordinate is the length of each half of an ES256 signature, in bytes.
const coordinate = 32

// signatureSize is how long a signature is in a token, with its dot.
const signatureSize = 1 + 86

var b64 = base64.RawURLEncoding

// headerOf is the JOSE header of a key's tokens, as it stands in them.
func headerOf(keyID, typ string) ([]byte, error) {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}{"ES256", keyID, typ})
	if err != nil {
		return nil, err
	}
	return b64.AppendEncode(nil, header), nil
}

// signingInput is a token without its signature (RFC 7515 section 5.1), with
// room for it.
func signingInput(header []byte, c Claims) ([]byte, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(header)+1+b64.EncodedLen(len(body))+signatureSize)
	out = append(append(out, header...), '.')
	return b64.AppendEncode(out, body), nil
}

// sign signs text as JWS has it (RFC 7518 section 3.4). The nonce is that of RFC
// 6979, which is drawn from key and text: no worse a signature, and cheaper to make.
func sign(text []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	digest := sha256.Sum256(text)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var halves cryptobyte.String
	var r, s []byte
	read := cryptobyte.String(der)
	if !read.ReadASN1(&halves, asn1.SEQUENCE) || !halves.ReadASN1Integer(&r) || !halves.ReadASN1Integer(&s) ||
		len(r) > coordinate || len(s) > coordinate {
		return nil, errors.New("signature cannot be read")
	}
	out := make([]byte, 2*coordinate)
	copy(out[coordinate-len(r):], r)
	copy(out[2*coordinate-len(s):], s)
	return out, nil
}
