package main

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ages makes all there is a hundred days older: clients, users, and what they were given.
func (d *devServer) ages() {
	d.t.Helper()
	db, err := sql.Open("pgx", d.db)
	require.NoError(d.t, err)
	defer db.Close()
	for _, table := range []string{"clients", "users", "assignments"} {
		_, err := db.Exec("update " + table + " set created_at = created_at - 100 * 86400")
		require.NoError(d.t, err)
	}
}

// What the commands say would do is done as they say, and nothing is left unused.
func TestUnusedScopesGoAsTheCommandSays(t *testing.T) {
	d := startDev(t, "postgres")
	admin := func(line string) string {
		var words []string
		for _, w := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(strings.TrimPrefix(strings.TrimSpace(line), "deputy "), -1) {
			words = append(words, strings.Trim(w, "'"))
		}
		return d.must(words...)
	}
	require.Contains(t, d.must("agent", "unused", "admin-tool"), "too young to tell")
	require.Contains(t, d.must("agent", "unused"), "too young to tell")
	_, err := d.deputy("agent", "unused", "--days", "0")
	require.ErrorContains(t, err, "1 or more")

	d.must("token", "get", "--as", "admin-tool", "--scope", "agent:chat")
	d.ages()
	said := d.must("agent", "unused", "admin-tool")
	require.Contains(t, said, "admin-tool does not use 1 of 2 scopes")
	require.Regexp(t, `(?m)^ +agent:analytics at https://support-agent.example, by admin-tool-role$`, said)
	line := regexp.MustCompile(`(?m)^admin-tool .*$`).FindString(d.must("agent", "unused"))
	require.Regexp(t, `^admin-tool +1 +2 +\S+ +chat-widget-role$`, line)
	commands := regexp.MustCompile(`(?m)^    deputy .*$`).FindAllString(said, -1)
	require.Equal(t, []string{"    deputy role give chat-widget-role admin-tool", "    deputy role take admin-tool-role admin-tool"}, commands)

	d.must("role", "create", "both", "https://support-agent.example agent:analytics", "https://sales-api.example sales:read")
	d.must("role", "give", "both", "reporting-agent")
	d.must("token", "get", "--as", "reporting-agent", "--scope", "agent:analytics", "--resource", "https://support-agent.example")
	d.ages()
	own := d.must("agent", "unused", "reporting-agent")
	commands = regexp.MustCompile(`(?m)^    deputy .*$`).FindAllString(own, -1)
	require.Contains(t, own, "No role there is would do.")
	require.Equal(t, []string{"    deputy role create reporting-agent-only 'https://support-agent.example agent:analytics'", "    deputy role give reporting-agent-only reporting-agent"}, commands[:2])
	for _, line := range commands {
		admin(line)
	}
	d.must("token", "get", "--as", "reporting-agent", "--scope", "agent:analytics", "--resource", "https://support-agent.example")
	_, err = d.deputy("token", "get", "--as", "reporting-agent", "--scope", "sales:read", "--resource", "https://sales-api.example")
	require.ErrorContains(t, err, "does not hold scope sales:read")
	require.Contains(t, d.must("agent", "unused", "reporting-agent"), "does not use 0 of 1")

	d.must("user", "add", "max")
	d.must("role", "give", "both", "max")
	require.Contains(t, d.must("user", "unused", "max"), "max exists for less than 90 days")
	_, err = d.deputy("user", "unused", "max", "--days", "0")
	require.ErrorContains(t, err, "1 or more")
	d.ages()
	require.Regexp(t, `(?m)^max +2 +2 +\S+ +no role$`, d.must("user", "unused"))
	said = d.must("user", "unused", "max")
	require.Contains(t, said, "max does not use 2 of 2 scopes")
	commands = regexp.MustCompile(`(?m)^    deputy .*$`).FindAllString(said, -1)
	require.Equal(t, []string{"    deputy role take both max"}, commands)
	admin(commands[0])
	require.Contains(t, d.must("user", "unused", "max"), "does not use 0 of 0")
}

// Whose secret was revoked, after a leak, say, gets another by the same command.
func TestRotateGivesANewSecretWhereNoneIsLeft(t *testing.T) {
	d := startDev(t, "sqlite")
	d.must("agent", "revoke", "chat-widget", "--all")
	require.Regexp(t, `client_secret=deputy_sk_\S+`, d.must("agent", "rotate", "chat-widget"))
	d.must("agent", "create", "widget", "--kind", "application", "--public", "--redirect-uri", "https://widget.example/back")
	_, err := d.deputy("agent", "rotate", "widget")
	require.ErrorContains(t, err, "holds no secret to rotate")
}
