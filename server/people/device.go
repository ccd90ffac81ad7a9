package people

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/deputyauth/deputy/server/limits"
)

// DevicePrefix lets scanners find a leaked device cookie. It opens nothing.
const DevicePrefix = "dpt_dev_"

// device says that somebody signed in here before. It is sealed, so only Deputy
// makes one, and who has it is spared the delay that strangers' guesses cause.
type device struct {
	UserID string        `json:"u"`
	Until  int64         `json:"t"`
	Nonce  limits.Source `json:"n"` // has failures of its own, as a source does
}

const deviceName = "device" // what the seal is bound to

func (p *People) newDevice(userID string) string {
	d := device{UserID: userID, Until: p.now().Add(DeviceLife).Unix()}
	_, _ = rand.Read(d.Nonce[:]) // never fails (crypto/rand)
	body, _ := json.Marshal(d)   // strings and numbers cannot fail
	return DevicePrefix + base64.RawURLEncoding.EncodeToString(p.master.Seal(deviceName, body))
}

// knownDevice is the source of attempts of a device that userID signed in with.
func (p *People) knownDevice(cookie, userID string) (limits.Source, bool) {
	if len(cookie) <= len(DevicePrefix) || len(cookie) > 512 || userID == "" {
		return limits.Source{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie[len(DevicePrefix):])
	if err != nil {
		return limits.Source{}, false
	}
	body, err := p.master.Open(deviceName, sealed)
	if err != nil {
		return limits.Source{}, false
	}
	var d device
	if json.Unmarshal(body, &d) != nil || d.UserID != userID || p.now().After(time.Unix(d.Until, 0)) {
		return limits.Source{}, false
	}
	return d.Nonce, true
}
