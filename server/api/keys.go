package api

import (
	"context"
	"encoding/json"

	"github.com/deputyauth/deputy/models"
)

// defaultLead is how long a new key is published before it signs, in seconds.
const defaultLead = 300

func keyOf(k models.SigningKey) Key {
	key := Key{
		ID: k.ID, Purpose: KeyPurpose(k.Purpose), Alg: k.Alg,
		CreatedAt: at(k.CreatedAt), ActiveAt: at(k.ActiveAt), RetiresAt: at(k.RetiresAt), ExpiresAt: at(k.ExpiresAt),
	}
	if k.Purpose == models.KeyForLedger {
		key.Verifier = k.PublicJWK
	} else {
		key.PublicJWK = json.RawMessage(k.PublicJWK)
	}
	return key
}

func (s *server) ListKeys(ctx context.Context, _ ListKeysRequestObject) (ListKeysResponseObject, error) {
	keys, err := s.Store.KnownKeys(ctx)
	if err != nil {
		return nil, err
	}
	return ListKeys200JSONResponse{Items: each(keys, keyOf)}, nil
}

func (s *server) RotateKey(ctx context.Context, r RotateKeyRequestObject) (RotateKeyResponseObject, error) {
	lead := int64(defaultLead)
	if r.Body != nil && r.Body.Lead != nil {
		lead = *r.Body.Lead
	}
	rotate := func() (*models.SigningKey, error) { return s.Keys.Rotate(ctx, by(ctx), lead) }
	if r.Body != nil && string(r.Body.Purpose) == models.KeyForLedger {
		rotate = func() (*models.SigningKey, error) { return s.Keys.RotateLedger(ctx, by(ctx)) }
	}
	key, err := rotate()
	if err != nil {
		return nil, err
	}
	return RotateKey201JSONResponse{Body: keyOf(*key), Headers: RotateKey201ResponseHeaders{Location: s.location("keys")}}, nil
}

func (s *server) GetPolicy(context.Context, GetPolicyRequestObject) (GetPolicyResponseObject, error) {
	p := s.Policy()
	return GetPolicy200JSONResponse{Floor: p.Floor, House: p.House, LoadedAt: moment{p.LoadedAt.UTC()}, LastError: p.LastError}, nil
}
