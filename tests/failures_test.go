package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/tests/harness"
)

// A single failure is recorded as ever; those like it, within a minute, are one row.
func TestFailuresAlikeAreOneRow(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		ctx := context.Background()
		one := g.guess("192.0.2.1", g.agent.ID)
		first := g.LastEntry()
		require.Equal(t, one.String("decision_id"), first.ID)
		require.Equal(t, []string{"bad_credentials"}, reasonsOf(t, first))
		for range 14 {
			require.Equal(t, first.ID, g.guess("192.0.2.1", g.agent.ID).String("decision_id"))
		}
		other := g.guess("192.0.2.9", g.agent.ID)
		require.NotEqual(t, first.ID, other.String("decision_id"))
		require.NoError(t, g.Endpoint.CountFailures(ctx))
		require.Equal(t, other.String("decision_id"), g.LastEntry().ID, "the window is not over")

		g.Clock.Advance(time.Minute)
		require.NoError(t, g.Endpoint.CountFailures(ctx))
		row := g.LastEntry()
		require.Equal(t, counted{Count: 14, First: first.ID, Limited: 5, Since: first.At, Until: countedIn(t, row).Until}, countedIn(t, row))
		require.Equal(t, []string{models.KindFailure, first.Action, models.OutcomeRefused}, []string{row.Kind, row.Action, row.Outcome})
		require.Contains(t, row.Detail, g.agent.ID)
		require.Contains(t, row.Detail, "192.0.2.1")
		require.NoError(t, g.Endpoint.CountFailures(ctx))
		require.Equal(t, row.Seq, g.LastEntry().Seq, "once")

		again := g.guess("192.0.2.1", g.agent.ID)
		require.Equal(t, again.String("decision_id"), g.LastEntry().ID, "a new window, a new first")
		g.guess("192.0.2.1", g.agent.ID)
		require.NoError(t, g.Endpoint.Finish(ctx))
		require.Equal(t, counted{Count: 1, First: again.String("decision_id"), Since: countedIn(t, g.LastEntry()).Since, Until: countedIn(t, g.LastEntry()).Until}, countedIn(t, g.LastEntry()))
		rows, failures := g.failed()
		require.Equal(t, []int{5, 18}, []int{rows, failures})
	})
}

// Fifty callers who fail alike at the same moment hear of one row, and hear of
// it when it is there.
func TestFirstFailuresAtOnce(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		var mu sync.Mutex
		ids := map[string]int{}
		crowd(50, func(int) {
			id := g.guess("192.0.2.1", g.agent.ID).String("decision_id")
			_, err := g.Store.EntryByID(context.Background(), id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				id = err.Error()
			}
			ids[id]++
		})
		require.Len(t, ids, 1, "%v", ids)
		rows, _ := g.failed()
		require.Equal(t, 1, rows)
	})
}

// What one source does not fill, many do not either: beyond 20 kinds of one and
// 200 of all, failures are counted together.
func TestKindsOfFailuresAreBounded(t *testing.T) {
	g := newGuarded(t, "sqlite", func(c *limits.Config) { c.FailureBurst = 0 })
	for i := range 30 {
		g.guess("192.0.2.1", fmt.Sprintf("agt_%d", i))
	}
	rows, _ := g.failed()
	require.Equal(t, 21, rows, "20 kinds, and the first of the others")
	for i := range 300 {
		g.guess(fmt.Sprintf("10.0.0.%d", i%256), fmt.Sprintf("agt_%d", i))
	}
	rows, _ = g.failed()
	require.Equal(t, 201, rows)
	require.NoError(t, g.Endpoint.Finish(context.Background()))
	rows, failures := g.failed()
	require.Equal(t, 202, rows)
	require.Equal(t, 330, failures)
	last := countedIn(t, g.LastEntry())
	require.Equal(t, []string{"others"}, reasonsOf(t, g.LastEntry()))
	require.Equal(t, 330-201, last.Count)
	require.Greater(t, last.Sources, 50)
}

// If the first failure cannot be recorded, nobody is told of it, and it is not
// counted either: the next one tries again.
func TestFailuresThatCannotBeRecorded(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		require.NoError(t, g.Store.Close())
		for range 3 {
			a := g.from("192.0.2.1", "/oauth2/revoke", "", "", url.Values{"token": {"x"}})
			require.Equal(t, http.StatusServiceUnavailable, a.Status, a.Body)
			require.Equal(t, "temporarily_unavailable", a.String("error"))
			require.NotEmpty(t, a.Header.Get("Retry-After"))
			require.Empty(t, a.String("decision_id"))
		}
	})
}

// failed is what the ledger holds of failures: rows, and failures they stand for.
func (g *guarded) failed() (rows, failures int) {
	g.TB.Helper()
	for after, more := int64(-1), true; more; {
		var page []models.Entry
		var err error
		page, more, err = g.Store.Entries(context.Background(), models.EntryFilter{Kind: models.KindFailure}, after, 200)
		require.NoError(g.TB, err)
		for _, e := range page {
			after = e.Seq
			rows++
			if c := countedIn(g.TB, e); c.First == "" {
				failures++
			} else {
				failures += c.Count
			}
		}
	}
	return rows, failures
}

type counted struct {
	Count, Limited, Sources int
	First                   string
	Since, Until            int64
}

func countedIn(tb testing.TB, e models.Entry) counted {
	tb.Helper()
	var d struct{ Counted counted }
	require.NoError(tb, json.Unmarshal([]byte(e.Detail), &d))
	return d.Counted
}

// An assertion names its client where no parameter does: what cannot be read of
// such a request is the client's all the same.
func TestUnreadableRequestsAreTheirClients(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		g.WithKey(g.agent)
		form := url.Values{
			"grant_type": {"client_credentials"}, "resource": {"nonsense"}, "scope": {"read"},
			"client_assertion_type": {harness.AssertionType}, "client_assertion": {g.Assertion(g.agent, nil)},
		}
		a := g.Form("/oauth2/token", nil, form)
		require.Equal(t, http.StatusBadRequest, a.Status)
		row := g.LastEntry()
		require.Equal(t, a.String("decision_id"), row.ID)
		require.Equal(t, []string{"resource_malformed"}, reasonsOf(t, row))
		require.Contains(t, row.Detail, `"claimed_client":"`+g.agent.ID+`"`)
	})
}
