package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
)

// wrong runs a command that must fail, saying why.
func (d *devServer) wrong(says string, args ...string) {
	d.t.Helper()
	out, err := d.deputy(args...)
	require.ErrorContains(d.t, err, says, out)
}

func TestUsersAreAddedShownStoppedAndRemoved(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		added := d.must("user", "add", "grace", "--name", "Grace H.", "--email", "grace@example.com", "--invite")
		id := regexp.MustCompile(`user_id=(usr_\w+)`).FindStringSubmatch(added)[1]
		link := regexp.MustCompile(`invitation=(\S+)`).FindStringSubmatch(added)[1]
		status, body := page(t, link, nil)
		require.Equal(t, 200, status)
		require.Contains(t, body, "grace")
		require.NotContains(t, d.must("user", "add", "heidi"), "invitation")
		d.wrong("409", "user", "add", "grace")
		d.wrong("422", "user", "add", "ivan", "--email", "nonsense")

		require.Contains(t, d.must("user", "list"), "grace@example.com")
		require.NotContains(t, d.must("user", "list", "--status", "suspended"), "grace")
		require.Contains(t, d.must("user", "suspend", "grace"), "grace is suspended.")
		require.Contains(t, d.must("user", "list", "--status", "suspended"), "grace")
		require.Contains(t, d.must("user", "restore", id), "grace is active.")
		shown := d.must("user", "show", "olivia")
		require.Regexp(t, `roles +.*deputy-admin`, shown)
		require.Regexp(t, `owns +agent search-agent \(active\)`, shown)
		require.Contains(t, d.must("user", "show", id), "Grace H.")
		d.wrong(`no user named "nobody"`, "user", "show", "nobody")

		d.wrong("give --yes", "user", "remove", "heidi")
		require.Regexp(t, `active +heidi`, d.must("user", "list"))
		require.Contains(t, d.must("user", "remove", "heidi", "--yes"), "heidi is removed.")
		require.Regexp(t, `decommissioned +heidi`, d.must("user", "list"))
		d.wrong("stays removed", "user", "restore", "heidi")
	})
}

// Who is restored may hold authority over Deputy, which the command then carries
// too; who does not hold it cannot.
func TestACommandCarriesWhatItHandsOn(t *testing.T) {
	d := startDev(t, "sqlite")
	d.must("user", "suspend", "olivia")
	require.Contains(t, d.must("user", "restore", "olivia"), "olivia is active.")

	made := d.must("agent", "create", "warden", "--kind", "application")
	found := regexp.MustCompile(`client_id=(\S+)\nclient_secret=(\S+)`).FindStringSubmatch(made)
	store, err := database{DatabaseURL: Secret(d.db), DataDir: d.dir}.open()
	require.NoError(t, err)
	defer store.Close()
	role := modelstest.Role(t, store, "wardens", models.SelfID, "users:read", "users:suspend", "tokens:read", "clients:read")
	d.must("role", "give", role.ID, "warden")
	d.must("user", "suspend", "olivia", "--client-id", found[1], "--client-secret", found[2])
	d.wrong("does not hold", "user", "restore", "olivia", "--client-id", found[1], "--client-secret", found[2])
	require.Regexp(t, `suspended +olivia`, d.must("user", "list"))
}

func TestGroupsAndRolesAreManaged(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		id := regexp.MustCompile(`group_id=(grp_\w+)`).FindStringSubmatch(d.must("group", "add", "sales", "--description", "Who sells"))[1]
		d.must("group", "add", "everybody")
		require.Contains(t, d.must("group", "list"), "Who sells")
		require.Contains(t, d.must("group", "join", "sales", "joe", "search-agent"), "search-agent is in sales.")
		require.Contains(t, d.must("group", "join", "everybody", "sales"), "sales is in everybody.")
		d.wrong("422", "group", "join", "sales", "everybody")
		require.Contains(t, d.must("role", "give", "chat-widget-role", id), "has chat-widget-role")
		shown := d.must("group", "show", "sales")
		for _, line := range []string{`groups +everybody`, `roles +chat-widget-role`, `member +usr_\w+ joe`, `member +agt_\w+ search-agent`} {
			require.Regexp(t, line, shown)
		}
		require.Contains(t, d.must("group", "list", "--member", "joe"), "sales")
		require.NotContains(t, d.must("group", "list", "--member", "joe"), "everybody", "it is in by way of another")
		require.Regexp(t, `groups +sales`, d.must("user", "show", "joe"))

		require.Contains(t, d.must("role", "list"), "agent:chat at https://support-agent.example")
		require.Contains(t, d.must("role", "list", "--of", "sales"), "chat-widget-role")
		require.NotContains(t, d.must("role", "list", "--of", "sales"), "deputy-admin")
		require.Contains(t, d.must("role", "take", "chat-widget-role", "sales"), "sales has no chat-widget-role.")
		d.wrong("was not given", "role", "take", "chat-widget-role", "sales")
		require.Empty(t, d.must("role", "list", "--of", "sales"))

		d.must("group", "leave", "sales", "joe")
		require.NotContains(t, d.must("group", "show", "sales"), "joe")
		d.must("group", "add", "joe")
		d.wrong("give the id", "group", "join", "sales", "search-agent", "joe")
		d.wrong(`named "nobody"`, "group", "join", "sales", "nobody")
		d.wrong(`no role named "nothing"`, "role", "give", "nothing", "sales")
		require.Contains(t, d.must("group", "remove", "sales"), "sales is removed.")
		d.wrong(`no group named "sales"`, "group", "show", "sales")
	})
}

func TestAgentsAreShownAndChanged(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		made := d.must("agent", "create", "notes", "--owner", "olivia", "--sponsor", "Sales", "--public", "--redirect-uri", "https://notes.example/cb?a=1,2",
			"--redirect-uri", "http://127.0.0.1/cb", "--grant", "authorization_code", "--grant", "refresh_token")
		require.NotContains(t, made, "client_secret")
		shown := d.must("agent", "show", "notes")
		for _, line := range []string{`owner +olivia\n`, `auth +none\n`, `redirects +https://notes.example/cb\?a=1,2 http://127.0.0.1/cb\n`, `grants +authorization_code refresh_token\n`} {
			require.Regexp(t, line, shown)
		}
		require.NotContains(t, shown, "credential")

		d.must("agent", "create", "report", "--owner", "olivia", "--sponsor", "Sales", "--role", "chat-widget-role")
		require.Contains(t, d.must("agent", "set", "report", "--grant", "client_credentials,token-exchange", "--purpose", "Writes reports",
			"--default-scopes", "https://support-agent.example agent:chat", "--owner", "joe", "--name", "reporter"), "reporter is changed.")
		shown = d.must("agent", "show", "reporter")
		for _, line := range []string{
			`owner +joe\n`, `auth +any\n`, `purpose +Writes reports\n`, `grants +client_credentials urn:ietf:params:oauth:grant-type:token-exchange\n`,
			`default +agent:chat at https://support-agent.example\n`, `roles +chat-widget-role\n`, `credential +crd_\w+ secret "first"\n`,
		} {
			require.Regexp(t, line, shown)
		}
		d.must("agent", "set", "notes", "--redirect-uri", "https://notes.example/new", "--post-logout-uri", "https://notes.example/bye",
			"--backchannel-logout-uri", "https://notes.example/out")
		shown = d.must("agent", "show", "notes")
		require.Regexp(t, `redirects +https://notes.example/new\n`, shown)
		require.Regexp(t, `post-logout +https://notes.example/bye\nbackchannel +https://notes.example/out\n`, shown)
		d.must("agent", "set", "notes", "--post-logout-uri", "", "--no-public", "--backchannel-logout-uri", "")
		shown = d.must("agent", "show", "notes")
		require.NotContains(t, shown, "post-logout")
		require.NotContains(t, shown, "backchannel")
		require.Regexp(t, `auth +any\n`, shown)
		require.Contains(t, shown, "https://notes.example/new")

		d.wrong("nothing was named", "agent", "set", "notes")
		d.wrong("422", "agent", "set", "notes", "--redirect-uri", "http://notes.example/plain")
		d.wrong("names no scope", "agent", "set", "notes", "--default-scopes", "https://support-agent.example")
		d.wrong("422", "agent", "set", "notes", "--redirect-uri", "")
	})
}

// What would fall is told before anything is stopped, and nothing is if only that was asked.
func TestWhatWouldFallIsTold(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		made := d.must("agent", "create", "reporter", "--owner", "joe", "--sponsor", "Sales", "--role", "chat-widget-role")
		found := regexp.MustCompile(`client_id=(\S+)\nclient_secret=(\S+)`).FindStringSubmatch(made)
		require.Contains(t, d.must("agent", "suspend", "reporter", "--dry-run"), "Nothing live hangs from it.")
		d.must("token", "get", "--client-id", found[1], "--client-secret", found[2], "--scope", "agent:chat")
		falls := "What hangs from it: 1 live tokens, 0 refresh tokens, 1 grants.\n    reporter holds 1\n"
		require.Equal(t, falls, d.must("agent", "suspend", "reporter", "--dry-run"))
		told := d.must("user", "suspend", "joe", "--dry-run")
		require.Contains(t, told, "Agents and applications that stop with them: 1.")
		require.Contains(t, told, "    reporter holds 1\n")
		require.Regexp(t, `active +reporter`, d.must("agent", "list"))
		require.Regexp(t, `active +joe`, d.must("user", "list"))
		require.Equal(t, falls+"reporter is suspended.\n", d.must("agent", "suspend", "reporter"))
		out, err := d.deputy("user", "remove", "joe")
		require.ErrorContains(t, err, "give --yes")
		require.Contains(t, out, "reporter holds 1")
	})
}
