package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/policies"
	"github.com/deputyauth/deputy/server/tokens"
)

func splitListen(addr string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(addr)
	if err != nil {
		return "", "", fmt.Errorf("--listen %q must be host:port", addr)
	}
	return host, port, nil
}

// devMasterKey keeps a key of its own in the data folder.
func devMasterKey(dir string) (Secret, error) {
	file := filepath.Join(dir, "master.key")
	body, err := os.ReadFile(file)
	if err == nil {
		return Secret(strings.TrimSpace(string(body))), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("master key: %w", err)
	}
	key := tokens.GenerateMasterKey()
	return Secret(key), os.WriteFile(file, []byte(key+"\n"), 0o600)
}

// devPolicy puts the starter house policy where it can be edited, once.
func devPolicy(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	house, err := fs.Sub(policies.FS, "house")
	if err != nil {
		return fmt.Errorf("starter policy: %w", err)
	}
	if err := os.CopyFS(dir, house); err != nil {
		return fmt.Errorf("starter policy: %w", err)
	}
	return nil
}

// devWorld is what --dev remembers of the world it made: the only place where
// secrets are kept in plain, and only for trying out.
type devWorld struct {
	Admin  credentials            `json:"admin"`
	Cast   map[string]credentials `json:"cast"`
	People map[string]string      `json:"people"` // passwords by user name
}

type credentials struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

func devFile(dir string) string { return filepath.Join(dir, "dev.json") }

func readDevWorld(dir string) (*devWorld, error) {
	body, err := os.ReadFile(devFile(dir))
	if err != nil {
		return nil, err
	}
	var w devWorld
	return &w, json.Unmarshal(body, &w)
}

func (w *devWorld) write(dir string) error {
	body, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(devFile(dir), append(body, '\n'), 0o600)
}

// welcome sets up the sample world on first start, plays the tour in it, and
// prints the box.
func (c *serveCmd) welcome(ctx context.Context, store *models.Store, io streams, log *slog.Logger) {
	w, err := readDevWorld(c.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		w, err = c.firstStart(ctx, store, io)
	}
	if err != nil {
		log.Error("the sample world is not as it must be", "error", err)
	}
	if w != nil {
		sample, err := serveSample(ctx, c.Issuer, w.Cast["assistant"], log)
		if err != nil {
			log.Error("the sample application did not start", "error", err)
		}
		fmt.Fprint(io.out, box(c.Issuer, c.DataDir, sample, w))
	}
}

func (c *serveCmd) firstStart(ctx context.Context, store *models.Store, io streams) (*devWorld, error) {
	admin, err := createAdmin(ctx, store, "dev-admin")
	if err != nil {
		return nil, err
	}
	r := newRemote(c.Issuer, *admin)
	world, err := makeWorld(ctx, r, "")
	if err != nil {
		return nil, err
	}
	w := &devWorld{Admin: *admin, Cast: world.cast, People: world.passwords}
	// Olivia, who owns the agents, administers; Alice and Joe do not.
	olivia := &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: world.people["olivia"]}
	if err := store.CreateAssignment(ctx, models.By{System: "serve --dev"}, olivia); err != nil {
		return nil, err
	}
	if err := w.write(c.DataDir); err != nil {
		return nil, err
	}
	if c.NoTour {
		return w, nil
	}
	return w, play(ctx, io.out, r, world)
}

// people are those who can sign in, with their passwords.
func (w *devWorld) people() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(w.People)) {
		all = append(all, name+" "+w.People[name])
	}
	return strings.Join(all, "   ")
}

// box is what a developer sees last: where the server is, and three commands
// that work as they stand.
func box(issuer, dir, sample string, w *devWorld) string {
	widget, support := w.Cast["chat-widget"], w.Cast["support-agent"]
	get := func(scope string) string {
		return fmt.Sprintf("curl -sw '\\n' -u %s:%s %s/oauth2/token -d grant_type=client_credentials -d scope=%s", widget.ID, widget.Secret, issuer, scope)
	}
	lines := []string{
		"Deputy is running at " + issuer + "   (development only: data, keys and secrets are in " + dir + ")",
		"",
		"1. chat-widget gets the token it may have:",
		"", get("agent:chat"), "",
		"2. It asks for more, and is told what is missing and who could change it:",
		"", get("agent:analytics"), "",
		"3. support-agent, the service the token is locked to, looks at it:",
		"", fmt.Sprintf(`curl -sw '\n' -u %s:%s %s/oauth2/introspect -d token=$(%s | sed 's/.*"access_token":"\([^"]*\)".*/\1/')`,
			support.ID, support.Secret, issuer, get("agent:chat")), "",
		"4. An agent acts for a person, who is asked first. Open " + sample + " and sign in as one of",
		"   " + w.people(),
		"   Joe lacks what the agent asks for in part; what it may do is in " + issuer + "/account, and ends there.",
		"",
		"5. Or it asks somebody who is elsewhere: press \"ask Alice\" there. The mail she gets is in " + issuer + "/dev/mailbox;",
		"   answer as alice at the link in it, and look at the agent's page again.",
		"",
		"Every answer is in the ledger: ./deputy audit tail     The stories again: ./deputy tour",
	}
	rule := strings.Repeat("─", 100)
	var b strings.Builder
	fmt.Fprintf(&b, "\n┌%s\n", rule)
	for _, line := range lines {
		if strings.HasPrefix(line, "curl") { // no frame: it must survive being copied
			fmt.Fprintf(&b, "%s\n", line)
			continue
		}
		fmt.Fprintf(&b, "│ %s\n", line)
	}
	fmt.Fprintf(&b, "└%s\n\n", rule)
	return b.String()
}
