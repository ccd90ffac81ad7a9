package people

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/grants"
)

// cost of one guess: 19 MiB and some 20 ms. That is why only two are made at once.
var cost = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// How long a password may be, in characters. There are no rules about which
// (NIST SP 800-63B section 3.1.1.2): they make passwords worse.
const (
	ShortestPassword = 8
	LongestPassword  = 256
)

// normal is the one form of a password that keyboards write differently.
func normal(password string) string { return norm.NFKC.String(password) }

// verify holds a password against the one that is known. Where none is, it takes
// as long, and is wrong.
func verify(password string, known *models.Password) (bool, error) {
	hash := ""
	var err error
	if known != nil {
		hash = known.Hash
	} else if hash, err = nobodysHash(); err != nil {
		return false, err
	}
	match, err := argon2id.ComparePasswordAndHash(normal(password), hash)
	return match && known != nil, err
}

// nobodysHash is of a password that nobody knows.
var nobodysHash = sync.OnceValues(func() (string, error) { return argon2id.CreateHash(rand.Text(), &cost) })

// HashPassword is how a password is stored. It waits for nobody: it is for the
// command line, not for requests.
func HashPassword(password string) (string, error) {
	return argon2id.CreateHash(normal(password), &cost)
}

// hash checks a new password, which belongs to somebody with these names, and
// makes its hash when it is its turn.
func (p *People) hash(ctx context.Context, password string, names ...string) (string, error) {
	if problem := p.unacceptable(password, names...); problem != nil {
		return "", problem
	}
	done, free := p.limits.Turn(ctx)
	if !free {
		return "", &Problem{Reason: "busy", Wait: time.Second}
	}
	defer done()
	return HashPassword(password)
}

// unacceptable says why a password cannot be used, nil if it can.
func (p *People) unacceptable(password string, names ...string) *Problem {
	problem := func(reason string) *Problem { return &Problem{Reason: reason, Field: "password"} }
	if !utf8.ValidString(password) {
		return problem("password_unreadable")
	}
	password = normal(password)
	switch n := utf8.RuneCountInString(password); {
	case n < ShortestPassword:
		return problem("password_short")
	case n > LongestPassword:
		return problem("password_long")
	case common(password):
		return problem("password_common")
	case personal(password, append(names, "deputy", p.host)):
		return problem("password_personal")
	}
	return nil
}

// ChangePassword gives somebody who is signed in a new password, if they know the
// old one. It ends their sessions elsewhere.
func (p *People) ChangePassword(ctx context.Context, call grants.Call, by models.By, b Browser, who grants.Person, old, next string) error {
	user, err := p.store.User(ctx, who.UserID)
	if err != nil {
		return err
	}
	_, known, err := p.account(ctx, user.Username)
	if err != nil {
		return err
	}
	a := p.attempt(call, b, "password", user.Username, user)
	right, err := a.look(ctx, func() (bool, error) { return verify(old, known) })
	if err != nil {
		return err
	}
	if !right {
		return a.failed(ctx, "wrong_password", &Problem{Reason: "wrong_password", Field: "old"})
	}
	if err := a.succeeded(ctx); err != nil {
		return err
	}
	hash, err := p.hash(ctx, next, user.Username, user.Email, user.Name)
	if err != nil {
		return err
	}
	return p.store.SetPassword(ctx, by, user.ID, hash, who.SessionID)
}
