package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/oauth"
	"github.com/deputyauth/deputy/server/signals"
)

// proof is a client that showed who it is.
type proof struct {
	clientID   string
	credential policies.Credential
	once       *models.Once // an assertion is used up with the decision it is for
}

// authenticate checks a client's credentials before anything else of the
// request is looked at. It finds out who asks; what they may is policy's. A
// right secret that is in memory is taken from anybody at once; whatever costs
// more to check waits its turn if it comes from where failures come from.
func (e *Endpoint) authenticate(ctx context.Context, f *facts, call Call, a oauth.ClientAuth) (*proof, error) {
	span := signals.Start(ctx, "authenticate")
	defer span.End()
	if a.Method == oauth.None {
		return e.named(ctx, f, call, a.ID)
	}
	check := e.checkSecret
	if a.Method == oauth.PrivateKeyJWT {
		var err error
		if a.ID, err = assertedClient(a); err != nil {
			return nil, err
		}
		check = e.checkAssertion
	} else if live := f.view.CredentialsInMemory(a.ID); live != nil {
		if p, problem := check(ctx, f, a, live); problem == nil {
			return p, nil
		}
	}
	done, err := e.turn(ctx, call, a.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := e.prove(ctx, f, a, check)
	if err != nil {
		return nil, claimedBy(a.ID, err)
	}
	return p, nil
}

// named is a public client, which has nothing to prove itself by. Whoever names one
// is taken to be it; what that is worth is policy's to say. A name of any other
// client is a failed authentication.
func (e *Endpoint) named(ctx context.Context, f *facts, call Call, id string) (*proof, error) {
	done, err := e.turn(ctx, call, id)
	if err != nil {
		return nil, err
	}
	defer done()
	client, err := f.view.Principal(ctx, id)
	if err != nil {
		return nil, err
	}
	if client == nil || !client.Value.Public {
		return nil, oauth.BadClient("no_credentials")
	}
	return &proof{clientID: id, credential: policies.Credential{Method: oauth.None}}, nil
}

// claimedBy tells the ledger whose request it was that err refuses: an assertion
// names its client where no parameter does.
func claimedBy(clientID string, err error) error {
	if problem := (*oauth.Error)(nil); errors.As(err, &problem) {
		claimed := *problem
		claimed.Claimed = clientID
		return &claimed
	}
	return err
}

// turn makes those wait who come from where failures come from. done must be
// called in the end.
func (e *Endpoint) turn(ctx context.Context, call Call, clientID string) (done func(), err error) {
	if !e.limits.Spent(limits.SourceOf(call.IP), clientID) {
		return func() {}, nil
	}
	done, ok := e.limits.Turn(ctx)
	if !ok {
		return nil, oauth.TooMany(time.Second).Named("crowded")
	}
	return done, nil
}

type checker func(context.Context, *facts, oauth.ClientAuth, []models.Credential) (*proof, error)

func (e *Endpoint) prove(ctx context.Context, f *facts, a oauth.ClientAuth, check checker) (*proof, error) {
	live, cached, err := f.view.Credentials(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	p, failed := check(ctx, f, a, live)
	if failed == nil || !cached {
		return p, failed
	}
	// Who fails on what was cached is looked at once more: the credential may be
	// a moment old, and issued on another replica. It also makes an unknown
	// client and a wrong secret take the same time: one read of the database.
	now, err := f.view.CredentialsNow(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	if slices.EqualFunc(live, now, same) {
		return nil, failed
	}
	return check(ctx, f, a, now)
}

// same tells that a credential proves what it proved before. Only its end can
// have come nearer.
func same(a, b models.Credential) bool { return a.ID == b.ID && a.ExpiresAt == b.ExpiresAt }

// noSecret is compared when there is nothing to compare with.
var noSecret = make([]byte, sha256.Size)

func (e *Endpoint) checkSecret(_ context.Context, f *facts, a oauth.ClientAuth, live []models.Credential) (*proof, error) {
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
