package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
)

// book is a ledger that does what it is told, and a clock.
type book struct {
	mu   sync.Mutex
	rows []models.Entry
	fail error
	hold chan struct{} // not nil: rows wait for it
	at   atomic.Int64  // seconds
}

func (b *book) now() time.Time { return time.Unix(1_000_000_000+b.at.Load(), 0) }

func (b *book) append(_ context.Context, r *models.Record) error {
	if b.hold != nil {
		<-b.hold
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.rows = append(b.rows, r.Entry)
	return nil
}

// stands is how many failures the rows stand for.
func (b *book) stands(t *testing.T) (failures int) {
	t.Helper()
	for _, row := range b.rows {
		var d failureDetail
		require.NoError(t, json.Unmarshal([]byte(row.Detail), &d))
		if d.Counted == nil {
			failures++
		} else {
			failures += int(d.Counted.Count)
		}
	}
	return failures
}

func newBook() (*book, *failures) {
	b := &book{}
	f := newFailures(limits.Defaults(), nil, b.now)
	f.append = b.append
	return b, f
}

func wrongSecret(client string, host int) kind {
	return kind{action: "token", code: "invalid_client", reason: "bad_credentials", client: client, source: limits.SourceOf(fmt.Sprintf("10.0.%d.%d", host>>8, host&255))}
}

var errDown = errors.New("down")

// What could not be recorded was not seen: those who waited for the first row
// hear so, and the next failure tries again.
func TestFirstRowThatIsNotWritten(t *testing.T) {
	b, f := newBook()
	b.hold, b.fail = make(chan struct{}), errDown
	answers := make(chan error, 10)
	for range cap(answers) {
		go func() {
			_, err := f.note(context.Background(), Call{}, wrongSecret("agt_1", 1), false)
			answers <- err
		}()
	}
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.kinds) == 1 && f.kinds[wrongSecret("agt_1", 1)].count == 9
	}, 10*time.Second, time.Millisecond)
	hungUp, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.note(hungUp, Call{}, wrongSecret("agt_1", 1), false)
	require.ErrorIs(t, err, context.Canceled)
	close(b.hold)
	for range cap(answers) {
		require.ErrorIs(t, <-answers, errDown)
	}
	require.Empty(t, f.kinds)
	require.Zero(t, f.toldOf)
	require.Empty(t, f.from)
	b.hold, b.fail = nil, nil
	_, err = f.note(t.Context(), Call{}, wrongSecret("agt_1", 1), false)
	require.NoError(t, err)
	require.Len(t, b.rows, 1)
}

// A window that ends while a first row is being written takes nothing from it.
func TestWindowThatEndsInTheMiddleOfAFirstRow(t *testing.T) {
	b, f := newBook()
	b.hold = make(chan struct{})
	done := make(chan error, 2)
	note := func() {
		_, err := f.note(context.Background(), Call{}, wrongSecret("agt_1", 1), false)
		done <- err
	}
	go note()
	go note()
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.kinds) == 1 && f.kinds[wrongSecret("agt_1", 1)].count == 1
	}, 10*time.Second, time.Millisecond)
	b.at.Add(3600)
	require.NoError(t, f.write(t.Context(), false))
	close(b.hold)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.NoError(t, f.write(t.Context(), true))
	require.Len(t, b.rows, 2)
	require.Equal(t, 2, b.stands(t))
}

// Counts that could not be written are kept, each once, and the window that
// goes on meanwhile stays within its bounds.
func TestCountsThatAreNotWritten(t *testing.T) {
	b, f := newBook()
	noted := 0
	for range 3 {
		for host := range 300 {
			_, err := f.note(t.Context(), Call{}, wrongSecret("agt_1", host), host%2 == 0)
			require.NoError(t, err)
			noted++
		}
	}
	b.at.Add(3600)
	b.fail = errDown
	require.ErrorIs(t, f.write(t.Context(), false), errDown)
	require.ErrorIs(t, f.write(t.Context(), false), errDown)
	b.fail = nil
	require.NoError(t, f.write(t.Context(), false))
	require.NoError(t, f.write(t.Context(), true))
	require.Equal(t, noted, b.stands(t))
	require.Len(t, b.rows, 2*201)
	require.Empty(t, f.kinds)
}

// A million failures that differ in everything: memory holds 201 kinds and a
// thousand sources, the ledger two rows of each kind.
func TestAMillionKindsOfFailures(t *testing.T) {
	b, f := newBook()
	const million = 1_000_000
	most := 0
	for i := range million {
		_, err := f.note(t.Context(), Call{}, wrongSecret(fmt.Sprintf("agt_%d", i), i%65536), true)
		require.NoError(t, err)
		if i%1000 == 0 {
			most = max(most, len(f.kinds))
		}
	}
	require.Equal(t, 201, most)
	require.LessOrEqual(t, len(f.from), 201)
	require.Len(t, f.kinds[others("token")].sources, maxSources)
	require.NoError(t, f.write(t.Context(), true))
	t.Logf("%d failures: %d kinds in memory, %d rows that stand for %d", million, most, len(b.rows), b.stands(t))
	require.Len(t, b.rows, 202)
	require.Equal(t, million, b.stands(t))
}

func BenchmarkFailureCounted(b *testing.B) {
	_, f := newBook()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.note(context.Background(), Call{}, wrongSecret("agt_1", 1), true); err != nil {
				b.Fatal(err)
			}
		}
	})
}
