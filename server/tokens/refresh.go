package tokens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/deputyauth/deputy/models"
)

// UserCode is how the code of a user is stored, without which agents may not ask them.
// It is short enough to be guessed by who has the database, but not without the key.
func (k *Keyring) UserCode(userID, code string) string {
	mac := hmac.New(sha256.New, k.derive)
	mac.Write([]byte("user_code\x00" + userID + "\x00" + code))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Successor is the refresh token that comes after a code or refresh token. Whoever
// presents the same once more is given the same, by any replica, though nothing of
// it is stored: it follows from what they presented and a key that they have not.
func (k *Keyring) Successor(raw string) string {
	mac := hmac.New(sha256.New, k.derive)
	mac.Write([]byte(raw))
	return models.Marked(models.RefreshPrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}
