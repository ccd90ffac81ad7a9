//go:build linux

package failure

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
)

// restorer takes a backup of a world's database, and puts it where nothing is.
type restorer struct {
	backup  func(t *testing.T, w *world) string
	restore func(t *testing.T, w *world, file string)
}

// A backup is made while 16 connections ask. Where it is restored, tokens from before it
// are what they were, those from after it are unknown, the ledger holds, and everything
// works: the tour's stories go as they must.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		restoreElsewhere(t, newDeputy(t, t.TempDir(), "", hook(t)...), restorer{backupSQLite, restoreSQLite})
	})
	t.Run("postgres", func(t *testing.T) {
		pg := modelstest.NewCluster(t)
		restoreElsewhere(t, newDeputy(t, "", pg.URL(), hook(t)...), restorer{backupPostgres, restorePostgres})
	})
}

// hook is somewhere that word goes to people, whom agents ask in the tour.
func hook(t *testing.T) []string {
	told := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(told.Close)
	return []string{"--word-webhook", told.URL, "--word-webhook-secret", "a secret of the test's own"}
}

func restoreElsewhere(t *testing.T, d *deputy, r restorer) {
	w := newWorld(t, d)
	w.start()
	admin := regexp.MustCompile(`DEPUTY_CLIENT_ID=(\S+) DEPUTY_CLIENT_SECRET=(\S+)`).FindStringSubmatch(w.succeeds("admin", "create", "--name", "ops"))
	if len(admin) != 3 {
		t.Fatal("no administrator")
	}
	revoked := w.token()
	if a := w.send(http.DefaultClient, ask{path: "/oauth2/revoke", form: w.inspect(revoked).form}); a.status != http.StatusOK {
		t.Fatalf("revoke: %d", a.status)
	}
	l := w.drive(16, w.mixed(w.token()))
	w.awaitMore(l, "tokens before the backup", 200, (*answer).granted)
	before := l.tokens()
	file := r.backup(t, w)
	had := l.count((*answer).granted)
	after := w.token()
	w.awaitMore(l, "tokens after the backup", 50, (*answer).granted)
	s := summed(t, l.stop())
	if s.unavailable != 0 || s.unanswered != 0 {
		t.Errorf("while the backup was made, %d requests were told 503 and %d nothing", s.unavailable, s.unanswered)
	}
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.restore(t, w, file)
	w.verified()
	w.succeeds("doctor", "local")
	w.start()
	t.Logf("granted until the backup was done %d, in all %d, longest answer %v", had, s.granted, s.longest)
	w.knows(before, map[string]string{"revoked before": revoked, "issued after": after})
	w.token()
	out := w.succeeds("tour", "--url", w.url, "--client-id", admin[1], "--client-secret", admin[2])
	if !strings.Contains(out, "each as it must be") {
		t.Errorf("tour: %s", tail(out, 10))
	}
	w.verified()
}

// knows finds the tokens active that were issued before the backup, and the others not.
func (w *world) knows(before []string, dead map[string]string) {
	w.t.Helper()
	alive := 0
	for _, token := range before {
		if w.send(http.DefaultClient, w.inspect(token)).body.Active {
			alive++
		}
	}
	w.t.Logf("tokens from before the backup %d / active where it was restored %d", len(before), alive)
	if alive != len(before) || alive < 100 {
		w.t.Errorf("of %d tokens from before the backup %d are active", len(before), alive)
	}
	for name, token := range dead {
		if a := w.send(http.DefaultClient, w.inspect(token)); a.status != http.StatusOK || a.body.Active {
			w.t.Errorf("a token that was %s the backup: status %d, active %t", name, a.status, a.body.Active)
		}
		if a := w.send(http.DefaultClient, w.exchange(token)); a.granted() || a.status != http.StatusBadRequest {
			w.t.Errorf("a token that was %s the backup was exchanged: %d", name, a.status)
		}
	}
}

// tokens are all that were received so far.
func (l *load) tokens() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, a := range l.answers {
		if a.granted() && a.body.Token != "" {
			out = append(out, a.body.Token)
		}
	}
	return out
}

// succeeds runs a command that must not fail.
func (d *deputy) succeeds(args ...string) string {
	d.t.Helper()
	out, code := d.run(args...)
	if code != 0 {
		d.t.Fatalf("%v: exit code %d\n%s", args, code, tail(out, 20))
	}
	return out
}

// refuses runs a command that must fail, for this reason.
func (d *deputy) refuses(why string, args ...string) {
	d.t.Helper()
	if out, code := d.run(args...); code == 0 || !strings.Contains(out, why) {
		d.t.Errorf("%v: exit code %d, and must tell %q\n%s", args, code, why, tail(out, 5))
	}
}

func backupSQLite(t *testing.T, w *world) string {
	file := filepath.Join(t.TempDir(), "deputy.backup")
	w.succeeds("backup", file)
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %v", info.Mode())
	}
	w.refuses("is not overwritten", "backup", file)
	w.refuses("process", "restore", file) // serves from there
	return file
}

func restoreSQLite(t *testing.T, w *world, file string) {
	w.refuses("is not overwritten", "restore", file)
	empty := filepath.Join(t.TempDir(), "data")
	w.dir, w.env = empty, append(w.env, "DEPUTY_DATA_DIR="+empty)
	key := w.env
	w.env = append(key, "DEPUTY_MASTER_KEY="+tokens.GenerateMasterKey())
	w.refuses("another master key", "restore", file)
	w.env = append(key, "DEPUTY_MASTER_KEY=")
	w.refuses("DEPUTY_MASTER_KEY is not set", "restore", file)
	w.env = key
	damaged := filepath.Join(t.TempDir(), "damaged")
	body, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(damaged, body[:len(body)-8192], 0o600))
	w.refuses("restore:", "restore", damaged)
	must(t, os.WriteFile(damaged, []byte(strings.Repeat("This is no database. ", 1000)), 0o600))
	w.refuses("this is not a backup of Deputy", "restore", damaged)
	if left, err := filepath.Glob(filepath.Join(empty, "*deputy.db*")); err != nil || len(left) != 0 {
		t.Errorf("after what was refused there is %v, %v", left, err)
	}
	out := w.succeeds("restore", file)
	if !strings.Contains(out, "The ledger holds.") {
		t.Errorf("restore: %s", out)
	}
}

func backupPostgres(t *testing.T, w *world) string {
	file := filepath.Join(t.TempDir(), "deputy.dump")
	w.refuses("pg_dump --format=custom --file="+file, "backup", file)
	postgres(t, "pg_dump", "--format=custom", "--file="+file, w.dsn)
	return file
}

func restorePostgres(t *testing.T, w *world, file string) {
	w.refuses("pg_restore --exit-on-error --single-transaction --no-owner", "restore", file)
	_, err := w.database().Exec("create database restored")
	must(t, err)
	w.dsn = strings.Replace(w.dsn, "///postgres?", "///restored?", 1)
	w.env = append(w.env, "DEPUTY_DATABASE_URL="+w.dsn)
	postgres(t, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--dbname="+w.dsn, file)
	w.succeeds("migrate")
}

// postgres runs one of Postgres' own tools.
func postgres(t *testing.T, tool string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + tool)
		if len(found) == 0 {
			t.Fatalf("there is no %s", tool)
		}
		path = found[len(found)-1]
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
}
