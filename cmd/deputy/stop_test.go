package main

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
)

// One command stops whatever can be stopped, tells before what falls, and how it is undone.
func TestWhateverCanBeStoppedIsStopped(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		store, ctx := d.store(), context.Background()
		get := func() (raw, id string) {
			raw = regexp.MustCompile(`eyJ\S+`).FindString(d.must("token", "get", "--as", "chat-widget", "--resource", "https://support-agent.example", "--scope", "agent:chat"))
			return raw, tokenID(raw)
		}
		live := func(id string) bool {
			_, err := store.Token(ctx, id)
			require.NoError(t, err)
			rows, _, err := store.Tokens(ctx, models.TokenFilter{Txn: id, Live: true}, models.Page{})
			require.NoError(t, err)
			return len(rows) > 0
		}

		raw, id := get()
		require.Contains(t, d.must("stop", raw, "--dry-run"), "1 live tokens")
		require.True(t, live(id))
		out := d.must("stop", raw)
		require.Contains(t, out, id+" is stopped.")
		require.NotContains(t, out, raw, "a token is not printed")
		require.NotContains(t, out, "Undo")
		require.False(t, live(id))
		require.Contains(t, d.must("stop", id), "Nothing live hangs from it.", "twice is no error")

		_, id = get()
		token, err := store.Token(ctx, id)
		require.NoError(t, err)
		require.Contains(t, d.must("stop", token.GrantID), "1 live tokens")
		require.False(t, live(id))

		joe, err := store.UserNamed(ctx, "joe")
		require.NoError(t, err)
		for what, undone := range map[string]string{
			"chat-widget": `deputy (agent restore app_\S+)`, d.client(store, "chat-widget").ID: `deputy (agent restore app_\S+)`,
			token.ResourceID: `deputy (resource restore rsv_\S+)`, joe.ID: `deputy (user restore usr_\S+)`,
		} {
			get()
			undo := regexp.MustCompile(undone).FindStringSubmatch(d.must("stop", what))
			require.NotNil(t, undo, what)
			if !strings.HasPrefix(undone, "deputy (user") {
				_, err := d.deputy("token", "get", "--as", "chat-widget", "--resource", "https://support-agent.example", "--scope", "agent:chat")
				require.Error(t, err, what)
			}
			require.Contains(t, d.must(strings.Fields(undo[1])...), "active", what)
		}
		for what, problem := range map[string]string{"gnt_none": "404", "nobody": "nobody", "a.b.c": "a.b.c", "crd_1": "crd_1"} {
			_, err := d.deputy("stop", what)
			require.ErrorContains(t, err, problem)
		}
	})
}
