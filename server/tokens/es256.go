package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// es256 signs with the nonce of RFC 6979, which is drawn from key and message:
// no worse a signature, and cheaper to make.
type es256 struct{ *jwt.SigningMethodECDSA }

// Sign makes a signature of JWS form (RFC 7518 section 3.4).
func (m es256) Sign(text string, key any) ([]byte, error) {
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	h := m.Hash.New()
	h.Write([]byte(text))
	der, err := private.Sign(nil, h.Sum(nil), crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var parts struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &parts); err != nil || len(rest) > 0 {
		return nil, errors.New("signature cannot be read")
	}
	out := make([]byte, 2*m.KeySize)
	parts.R.FillBytes(out[:m.KeySize])
	parts.S.FillBytes(out[m.KeySize:])
	return out, nil
}
