package tokens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/deputyauth/deputy/models"
)

// Successor is the refresh token that comes after a code or refresh token. Whoever
// presents the same once more is given the same, by any replica, though nothing of
// it is stored: it follows from what they presented and a key that they have not.
func (k *Keyring) Successor(raw string) string {
	mac := hmac.New(sha256.New, k.master.refresh)
	mac.Write([]byte(raw))
	return models.RefreshPrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
