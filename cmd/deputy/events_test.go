package main

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// following runs deputy events until it ends or is told to stop.
func (d *devServer) following(args ...string) (out *safeBuffer, stop func() error) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, done := &safeBuffer{}, make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"events", "--url", d.url, "--data-dir", d.dir}, args...), out, out)
	}()
	d.t.Cleanup(cancel)
	return out, func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			return context.DeadlineExceeded
		}
	}
}

func (d *devServer) shows(out *safeBuffer, what string) {
	d.t.Helper()
	require.Eventually(d.t, func() bool { return strings.Contains(out.String(), what) }, 20*time.Second, 5*time.Millisecond, "%s\nin\n%s", what, out)
}

func TestEventsAreFollowedInATerminal(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		store, err := database{DatabaseURL: Secret(d.db), DataDir: d.dir}.open()
		require.NoError(t, err)
		defer store.Close()
		d.servesPolicy(store) // which is an event, too
		start, err := store.FeedNow(t.Context())
		require.NoError(t, err)
		clients, _, err := store.Clients(t.Context(), models.ClientFilter{Name: "search-agent"}, models.Page{})
		require.NoError(t, err)
		agent := clients[0].ID

		// From another process, as another replica would: nobody tells the server.
		_, err = store.SuspendClient(t.Context(), models.By{System: "test"}, agent)
		require.NoError(t, err)
		lines, stop := d.following("--since", start.String())
		d.shows(lines, "client-suspended")
		require.Contains(t, lines.String(), "client_id="+agent)
		_, err = store.RestoreClient(t.Context(), models.By{System: "test"}, agent)
		require.NoError(t, err)
		d.shows(lines, "client-restored")
		require.NoError(t, stop())

		first, stop := d.following("--since", start.String(), "--json", "--count", "1")
		d.shows(first, "\n")
		require.NoError(t, stop())
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(first.String()), &e), first)
		require.Equal(t, "client-suspended", e["type"])
		again, stop := d.following("--since", e["id"].(string), "--json", "--count", "1")
		d.shows(again, "client-restored")
		require.NoError(t, stop())

		old, stop := d.following("--since", "0.abcdefgh", "--count", "1")
		d.shows(old, "reset: what came before now cannot be told any more")
		require.NoError(t, stop())
		_, err = d.deputy("events", "--since", "nonsense")
		require.ErrorContains(t, err, "Last-Event-ID is none that was sent from here.")
		_, err = d.deputy("events", "--client-id", agent, "--client-secret", "wrong", "--service")
		require.ErrorContains(t, err, "invalid_client")
	})
}

func TestReceiversAreManagedFromATerminal(t *testing.T) {
	d := startDev(t, "sqlite")
	out := d.must("receiver", "add", "https://events.example/in", "--resource", "https://support-agent.example")
	require.Contains(t, out, "https://events.example/in")
	id, _, _ := strings.Cut(out, " ")
	require.Contains(t, d.must("receiver", "add", "https://all.example/in"), "all events")
	require.Contains(t, d.must("receiver", "list"), id)
	require.Contains(t, d.must("receiver", "remove", id), "Removed.")
	require.NotContains(t, d.must("receiver", "list"), id)
	d.wrong("404", "receiver", "remove", id)
	d.wrong("url", "receiver", "add", "http://events.example/in")
	d.wrong("no resource server named", "receiver", "add", "https://x.example/", "--resource", "https://nobody.example")
}

// Events of which nobody tells over HTTP: what the server itself does.
func TestTheServedPolicyIsAnEvent(t *testing.T) {
	d := startDev(t, "sqlite")
	store, err := database{DatabaseURL: Secret(d.db), DataDir: d.dir}.open()
	require.NoError(t, err)
	defer store.Close()
	require.Contains(t, d.servesPolicy(store).Detail, `"house":"`)
}

// servesPolicy is what the ledger says of the policy that serves, from before the
// first decision on.
func (d *devServer) servesPolicy(store *models.Store) models.Entry {
	d.t.Helper()
	rows, _, err := store.Entries(context.Background(), models.EntryFilter{Action: "servePolicy"}, -1, 10)
	require.NoError(d.t, err)
	require.Len(d.t, rows, 1)
	return rows[0]
}

// A stream is read whatever form its lines have.
func TestStreamsAreReadAsTheyAreWritten(t *testing.T) {
	var shown []string
	f := &eventFollower{last: "7", show: func(data string) error { shown = append(shown, data); return nil }}
	text := ": comment\nretry: 5\n\nid: 8\n\nevent: x\nid:9\ndata: {\"a\":\ndata: 1}\n\nid: 10\ndata: cut of"
	server, client := net.Pipe()
	go func() {
		_, _ = server.Write([]byte(text))
		_ = server.Close()
	}()
	beats := 0
	require.NoError(t, f.read(client, func() { beats++ }))
	require.Equal(t, []string{"{\"a\":\n1}"}, shown)
	require.Equal(t, "9", f.last, "what was cut off is asked for again")
	require.Equal(t, 12, beats)
	require.Equal(t, "2026-11-22T10:00:00.000Z  client-suspended       client_id=agt_1 aud=[https://a]",
		eventLine(`{"time":"2026-11-22T10:00:00.000Z","type":"client-suspended","client_id":"agt_1","aud":["https://a"]}`))
	require.Equal(t, "{", eventLine("{"))
}
