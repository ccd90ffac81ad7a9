package bundles

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSwapNeverMakesAQuestionWaitOrFail(t *testing.T) {
	short, shorter := rules(`max_ttl := 60`), rules(`max_ttl := 30`)
	e := newEngine(t, short)
	first := e.Status().House
	require.NoError(t, e.Load(shorter))
	lives := map[string]int64{first: 60, e.Status().House: 30}
	require.Len(t, lives, 2)

	var wg sync.WaitGroup
	stop := make(chan struct{})
	seen := make([]map[string]int, 8)
	for i := range seen {
		seen[i] = map[string]int{}
		in := ask(t, nil, "read")
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := e.Decide(context.Background(), in)
				if err != nil || !d.Allow || d.TTL != lives[d.Revision.House] {
					t.Errorf("decision of %s: %+v, %v", d.Revision.House, d, err)
					return
				}
				seen[i][d.Revision.House]++
			}
		})
	}
	for range 5 {
		require.NoError(t, e.Load(short))
		require.NoError(t, e.Load(shorter))
	}
	close(stop)
	wg.Wait()
	total := map[string]int{}
	for _, counts := range seen {
		for revision, n := range counts {
			total[revision] += n
		}
	}
	require.Len(t, total, 2, "decisions of both revisions, and of no other")
}

func TestWatchFollowsAFolder(t *testing.T) {
	const poll = 5 * time.Millisecond
	dir := t.TempDir()
	write := func(rule string) {
		t.Helper()
		// Written beside and renamed: a watcher never sees half a file.
		draft := filepath.Join(t.TempDir(), "draft")
		require.NoError(t, os.WriteFile(draft, fmt.Appendf(nil, "package house.issue\n\n%s\n", rule), 0o600))
		require.NoError(t, os.Rename(draft, filepath.Join(dir, "issue.rego")))
	}
	write(`max_ttl := 60`)
	e := newEngine(t, os.DirFS(dir))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.Watch(ctx, dir, poll) })
	defer wg.Wait()
	defer cancel()

	in := ask(t, nil, "read")
	eventually := func(what string, holds func() bool) {
		t.Helper()
		require.Eventually(t, holds, 10*time.Second, poll, what)
	}
	ttl := func() int64 { return decide(t, e, in).TTL }

	write(`max_ttl := 30`)
	eventually("the change serves", func() bool { return ttl() == 30 })

	write(`max_ttl := "30"`)
	eventually("the broken one is refused", func() bool { return e.Status().LastError != "" })
	require.Contains(t, e.Status().LastError, "issue.rego:3")
	require.EqualValues(t, 30, ttl())

	write(`max_ttl := 20`)
	eventually("the fix serves", func() bool { return ttl() == 20 })
	require.Empty(t, e.Status().LastError)

	require.NoError(t, os.Remove(filepath.Join(dir, "issue.rego")))
	eventually("an emptied folder is refused", func() bool { return e.Status().LastError != "" })
	require.EqualValues(t, 20, ttl())
}

func TestWatchReportsABrokenVersionOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "issue.rego")
	require.NoError(t, os.WriteFile(file, []byte("package house.issue\n\ndeny := true\n"), 0o600))
	e := newEngine(t, silent())
	seen := e.reload(dir, "")
	require.Equal(t, seen, e.reload(dir, seen))
	require.Contains(t, e.Status().LastError, "issue.rego:3")
	e.status.LastError = "looked at already"
	require.Equal(t, seen, e.reload(dir, seen))
	require.Equal(t, "looked at already", e.Status().LastError)
}

func TestWatchWaitsForAFolderToComeToRest(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, silent())
	old, seen := e.Status(), ""
	copied := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		seen = e.reload(dir, seen)
		require.Equal(t, old, e.Status(), "not looked into while files still arrive")
	}
	// Fit to serve from the first file on, but not what is meant.
	copied("issue.rego", "package house.issue\n\nmax_ttl := 200\n")
	copied("deny.rego", "package house.issue\n\ndeny contains \"closed\" if input.client.id in data.house.closed\n")
	copied("data.json", `{"house": {"closed": ["agt_a"]}}`)
	e.reload(dir, seen)
	require.Empty(t, e.Status().LastError)
	require.Equal(t, []string{"closed"}, answer(decide(t, e, ask(t, nil, "read"))).Codes)
}

func TestWatchSeesThatATestWasMended(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	e := newEngine(t, silent())
	write("issue.rego", "package house.issue\n\nmax_ttl := 60\n")
	write("issue_test.rego", "package house.issue\n\ntest_x if true\n")
	e.reload(dir, e.reload(dir, ""))
	require.Contains(t, e.Status().LastError, "issue_test.rego:1")

	write("issue_test.rego", "package house.issue_test\n\ntest_x if true\n")
	e.reload(dir, e.reload(dir, ""))
	require.Empty(t, e.Status().LastError)
	require.EqualValues(t, 60, decide(t, e, ask(t, nil, "read")).TTL)
}
