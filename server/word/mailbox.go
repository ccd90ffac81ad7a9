package word

import (
	"context"
	"slices"
	"sync"
)

// kept is how many mails a Mailbox holds; the oldest make room.
const kept = 100

// Mailbox is a Carrier that takes mails nowhere: it keeps them to be looked at, for
// trying out.
type Mailbox struct {
	mu    sync.Mutex
	mails []Envelope
}

// Carry implements Carrier.
func (b *Mailbox) Carry(_ context.Context, e Envelope) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, e)
	if over := len(b.mails) - kept; over > 0 {
		b.mails = slices.Delete(b.mails, 0, over)
	}
	return nil
}

// Mails are those that came, newest first.
func (b *Mailbox) Mails() []Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Clone(b.mails)
	slices.Reverse(all)
	return all
}
