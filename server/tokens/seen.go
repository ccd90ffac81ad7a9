package tokens

import (
	"crypto/sha256"
	"sync"
)

// seen remembers what tokens said whose signature was verified, by the digest of
// the whole token. When it is full, those nobody showed since it was last full
// are forgotten.
type seen struct {
	mu          sync.RWMutex
	recent, old map[[sha256.Size]byte]*Claims
}

// maxSeen bounds each of the two generations.
const maxSeen = 8192

func newSeen() *seen { return &seen{recent: map[[sha256.Size]byte]*Claims{}} }

// get returns the claims of a token that was verified, nil if it was not.
func (s *seen) get(name [sha256.Size]byte) *Claims {
	s.mu.RLock()
	claims := s.recent[name]
	old := s.old[name]
	s.mu.RUnlock()
	if claims == nil && old != nil {
		s.put(name, old)
		return old
	}
	return claims
}

func (s *seen) put(name [sha256.Size]byte, claims *Claims) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.recent) >= maxSeen {
		s.old, s.recent = s.recent, make(map[[sha256.Size]byte]*Claims, maxSeen)
	}
	s.recent[name] = claims
}
