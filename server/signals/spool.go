package signals

import (
	"io"
	"sync"
	"time"
)

// Bounds of a Spool: how much may wait, and how long.
const (
	maxSpooled = 4 << 20
	spoolDelay = 50 * time.Millisecond
)

// Spool is a writer whose callers never wait for the one behind it. Lines are
// kept for a moment and passed on together; what does not fit is dropped and
// counted. A crash loses that moment: what must not be lost is in the ledger.
type Spool struct {
	out  io.Writer
	wake chan struct{} // something waits
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu      sync.Mutex
	waiting []byte
	spare   []byte
	dropped int64
}

// NewSpool makes a spool in front of out. Close it to have the rest written.
func NewSpool(out io.Writer) *Spool {
	s := &Spool{out: out, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

// Write takes one line. It never fails.
func (s *Spool) Write(line []byte) (int, error) {
	s.mu.Lock()
	first := len(s.waiting) == 0
	if len(s.waiting)+len(line) > maxSpooled {
		s.dropped++
	} else {
		s.waiting = append(s.waiting, line...)
	}
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// Dropped counts the lines that were.
func (s *Spool) Dropped() int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close writes what waits and stops. Nothing may be written after it.
func (s *Spool) Close() {
	if s == nil {
		return
	}
	s.once.Do(func() { close(s.stop) })
	<-s.done
}

func (s *Spool) run() {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
		case <-s.stop:
			s.flush()
			return
		}
		select { // for company
		case <-time.After(spoolDelay):
		case <-s.stop:
		}
		s.flush()
	}
}

func (s *Spool) flush() {
	s.mu.Lock()
	lines := s.waiting
	s.waiting = s.spare[:0]
	s.mu.Unlock()
	if len(lines) > 0 {
		_, _ = s.out.Write(lines) // there is nobody left to tell
	}
	s.mu.Lock()
	s.spare = lines
	s.mu.Unlock()
}
