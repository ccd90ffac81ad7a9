package grants

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/tokens"
)

// Leaked ends what secrets open that were found where they should not be, and tells of
// each whether it opened anything. Anybody may report one: who knows a secret could use
// it, and to end it takes less than that. The ledger names the address it came from.
func (e *Endpoint) Leaked(ctx context.Context, call Call, found []oauth.Leak) ([]oauth.LeakVerdict, error) {
	if wait := e.limits.Guest(limits.SourceOf(call.IP)); wait > 0 {
		return nil, oauth.TooMany(wait).Named("rate_limited")
	}
	by := models.By{System: "leak report", RequestID: call.RequestID, IP: call.IP}
	verdicts := make([]oauth.LeakVerdict, 0, len(found))
	for _, leak := range found {
		live, err := e.leaked(ctx, by, leak.Token)
		if err != nil {
			return nil, unavailable(err)
		}
		sum := sha256.Sum256([]byte(leak.Token))
		v := oauth.LeakVerdict{Hash: base64.StdEncoding.EncodeToString(sum[:]), Type: leak.Type, Label: oauth.LeakIsDead}
		if live {
			v.Label = oauth.LeakWasLive
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

func (e *Endpoint) leaked(ctx context.Context, by models.By, secret string) (live bool, err error) {
	switch {
	case models.Genuine(secret):
		_, err = e.store.RevokeLeaked(ctx, by, secret)
	case strings.Count(secret, ".") == 2:
		var claims *tokens.Claims
		if claims, err = e.keys.Verify(ctx, secret); err == nil {
			err = e.store.RevokeLeakedToken(ctx, by, claims.ID)
		}
	default:
		return false, nil
	}
	var problem tokens.Problem
	if errors.Is(err, models.ErrNotFound) || errors.As(err, &problem) {
		return false, nil
	}
	return err == nil, err
}
