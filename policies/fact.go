package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
)

// Fact is one immutable piece of what policy may ask about. Its digest names it
// in the ledger; its prepared form is built once by the engine and shared by
// every decision that uses it.
type Fact[T any] struct {
	Value  T
	JSON   string // canonical: encoding/json sorts map keys, struct order is fixed
	Digest string // hex SHA-256 of JSON

	once     sync.Once
	prepared any
}

// NewFact freezes v. The caller must not change v afterwards.
func NewFact[T any](v T) (*Fact[T], error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("freeze fact: %w", err)
	}
	sum := sha256.Sum256(body)
	return &Fact[T]{Value: v, JSON: string(body), Digest: hex.EncodeToString(sum[:])}, nil
}

// Prepared returns what build made of the fact's value, building it on first use.
func (f *Fact[T]) Prepared(build func(T) any) any {
	f.once.Do(func() { f.prepared = build(f.Value) })
	return f.prepared
}
