package people

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// period is how long a code stands, in seconds (RFC 6238 section 5.2).
const period = 30

// Factor is a second factor as an authenticator app is told of it, once.
type Factor struct {
	Secret string // base32
	URL    string // otpauth://…
}

// PrepareTOTP makes a second factor that is asked for once it is confirmed.
func (p *People) PrepareTOTP(ctx context.Context, by models.By, who grants.Person) (*Factor, error) {
	user, err := p.store.User(ctx, who.UserID)
	if err != nil {
		return nil, err
	}
	key, err := p.totpKey(user, nil)
	if err != nil {
		return nil, err
	}
	err = p.store.PrepareTOTP(ctx, by, user.ID, p.master.Seal(models.SealedTOTP(user.ID), []byte(key.Secret())))
	if errors.Is(err, models.ErrConflict) {
		return nil, &Problem{Reason: "factor_there"}
	}
	if err != nil {
		return nil, err
	}
	return &Factor{Secret: key.Secret(), URL: key.URL()}, nil
}

// totpKey is a key with this secret (base32), or a new one.
func (p *People) totpKey(user *models.User, secret []byte) (*otp.Key, error) {
	opts := totp.GenerateOpts{Issuer: "Deputy " + p.host, AccountName: user.Username}
	if secret != nil {
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(secret))
		if err != nil {
			return nil, fmt.Errorf("second factor: %w", err)
		}
		opts.Secret = raw
	}
	return totp.Generate(opts)
}

// PreparedTOTP is the second factor that is still to be confirmed, nil if there
// is none.
func (p *People) PreparedTOTP(ctx context.Context, who grants.Person) (*Factor, error) {
	row, err := p.store.TOTP(ctx, who.UserID)
	if errors.Is(err, models.ErrNotFound) || err == nil && row.ConfirmedAt != 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	secret, err := p.master.Open(models.SealedTOTP(who.UserID), row.Sealed)
	if err != nil {
		return nil, err
	}
	user, err := p.store.User(ctx, who.UserID)
	if err != nil {
		return nil, err
	}
	key, err := p.totpKey(user, secret)
	if err != nil {
		return nil, err
	}
	return &Factor{Secret: key.Secret(), URL: key.URL()}, nil
}

// RemoveTOTP ends somebody's second factor.
func (p *People) RemoveTOTP(ctx context.Context, by models.By, who grants.Person) error {
	return p.store.RemoveTOTP(ctx, by, who.UserID)
}

// ConfirmTOTP turns a second factor on, given a code that shows that it works.
func (p *People) ConfirmTOTP(ctx context.Context, call grants.Call, by models.By, b Browser, who grants.Person, code string) error {
	user, err := p.store.User(ctx, who.UserID)
	if err != nil {
		return err
	}
	var step int64
	a := p.attempt(call, b, "account.otp", user.Username, user)
	right, err := a.look(ctx, func() (bool, error) {
		step, err = p.step(ctx, user.ID, code)
		return step != 0, err
	})
	if err != nil {
		return err
	}
	wrong := &Problem{Reason: "wrong_code", Field: "code"}
	if !right {
		return a.failed(ctx, "wrong_code", wrong)
	}
	err = p.store.ConfirmTOTP(ctx, by, user.ID, step)
	if errors.Is(err, models.ErrUsed) {
		return a.failed(ctx, "used_code", wrong)
	}
	if err != nil {
		return err
	}
	return a.succeeded(ctx)
}

// step is the time step whose code this is, 0 if it is none: of now, the one
// before and the one after (RFC 6238 section 6), and later than any that was used.
func (p *People) step(ctx context.Context, userID, code string) (int64, error) {
	row, err := p.store.TOTP(ctx, userID)
	if errors.Is(err, models.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	secret, err := p.master.Open(models.SealedTOTP(userID), row.Sealed)
	if err != nil {
		return 0, err
	}
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	now := p.now().Unix() / period
	for _, step := range []int64{now, now - 1, now + 1} {
		match, err := hotp.ValidateCustom(code, uint64(step), string(secret), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if errors.Is(err, otp.ErrValidateInputInvalidLength) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if match && step > row.LastStep {
			return step, nil
		}
	}
	return 0, nil
}
