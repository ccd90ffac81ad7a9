package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/oauth"
)

// proof is a client that showed who it is.
type proof struct {
	clientID   string
	credential policies.Credential
	once       *models.Once // an assertion is used up with the decision it is for
}

// authenticate checks a client's credentials before anything else of the
// request is looked at. It finds out who asks; what they may is policy's.
func (e *Endpoint) authenticate(ctx context.Context, f *facts, a oauth.ClientAuth) (*proof, error) {
	check := e.checkSecret
	if a.Method == oauth.PrivateKeyJWT {
		var err error
		if a.ID, err = assertedClient(a); err != nil {
			return nil, err
		}
		check = e.checkAssertion
	}
	live, cached, err := f.view.Credentials(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	p, failed := check(f, a, live)
	if failed == nil || !cached {
		return p, failed
	}
	// Who fails on what was cached is looked at once more: the credential may be
	// a moment old, and issued on another replica. It also makes an unknown
	// client and a wrong secret take the same time: one read of the database.
	if live, err = f.view.CredentialsNow(ctx, a.ID); err != nil {
		return nil, err
	}
	return check(f, a, live)
}

// noSecret is compared when there is nothing to compare with.
var noSecret = make([]byte, sha256.Size)

func (e *Endpoint) checkSecret(f *facts, a oauth.ClientAuth, live []models.Credential) (*proof, error) {
	hash := models.HashSecret(a.Secret)
	var found *models.Credential
	subtle.ConstantTimeCompare(hash, noSecret)
	for i, c := range live {
		if c.Kind == models.CredentialSecret && c.Live(f.now) && subtle.ConstantTimeCompare(hash, c.SecretHash) == 1 {
			found = &live[i]
		}
	}
	if found == nil {
		return nil, oauth.BadClient("bad_credentials")
	}
	return &proof{clientID: a.ID, credential: policies.Credential{ID: found.ID, Method: a.Method}}, nil
}
