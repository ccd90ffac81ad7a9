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
	"github.com/deputyauth/deputy/tests/process"
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
	w.Start()
	admin := regexp.MustCompile(`DEPUTY_CLIENT_ID=(\S+) DEPUTY_CLIENT_SECRET=(\S+)`).FindStringSubmatch(w.Succeeds("admin", "create", "--name", "ops"))
	if len(admin) != 3 {
		t.Fatal("no administrator")
	}
	revoked := w.token()
	if a := process.Send(http.DefaultClient, w.ask("/oauth2/revoke", w.inspect(revoked).Form)); a.Status != http.StatusOK {
		t.Fatalf("revoke: %d", a.Status)
	}
	l := w.drive(16, w.mixed(w.token()))
	l.AwaitMore("tokens before the backup", 200, (*answer).Granted)
	before := l.SoFar()
	file := r.backup(t, w)
	had := l.Count((*answer).Granted)
	after := w.token()
	l.AwaitMore("tokens after the backup", 50, (*answer).Granted)
	s := summed(t, l.Stop())
	if s.Unavailable != 0 || s.Unanswered != 0 {
		t.Errorf("while the backup was made, %d requests were told 503 and %d nothing", s.Unavailable, s.Unanswered)
	}
	if code := w.Terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.restore(t, w, file)
	w.Verified()
	w.Succeeds("doctor", "local")
	w.Start()
	t.Logf("granted until the backup was done %d, in all %d, longest answer %v", had, s.Granted, s.Longest())
	w.knows(before, map[string]string{"revoked before": revoked, "issued after": after})
	w.token()
	out := w.Succeeds("tour", "--url", w.URL, "--client-id", admin[1], "--client-secret", admin[2])
	if !strings.Contains(out, "each as it must be") {
		t.Errorf("tour: %s", process.Tail(out, 10))
	}
	w.Verified()
}

// knows finds the tokens active that were issued before the backup, and the others not.
func (w *world) knows(answers []*answer, dead map[string]string) {
	w.t.Helper()
	before, alive := 0, 0
	for _, a := range answers {
		if !a.Granted() || a.JTI == "" {
			continue
		}
		before++
		if process.Send(http.DefaultClient, w.inspect(a.Body.Token)).Body.Active {
			alive++
		}
	}
	w.t.Logf("tokens from before the backup %d / active where it was restored %d", before, alive)
	if alive != before || alive < 100 {
		w.t.Errorf("of %d tokens from before the backup %d are active", before, alive)
	}
	for name, token := range dead {
		if a := process.Send(http.DefaultClient, w.inspect(token)); a.Status != http.StatusOK || a.Body.Active {
			w.t.Errorf("a token that was %s the backup: status %d, active %t", name, a.Status, a.Body.Active)
		}
		if a := process.Send(http.DefaultClient, w.exchange(token)); a.Granted() || a.Status != http.StatusBadRequest {
			w.t.Errorf("a token that was %s the backup was exchanged: %d", name, a.Status)
		}
	}
}

// refuses runs a command that must fail, for this reason.
func (d *deputy) refuses(why string, args ...string) {
	d.t.Helper()
	if out, code := d.Try(args...); code == 0 || !strings.Contains(out, why) {
		d.t.Errorf("%v: exit code %d, and must tell %q\n%s", args, code, why, process.Tail(out, 5))
	}
}

func backupSQLite(t *testing.T, w *world) string {
	file := filepath.Join(t.TempDir(), "deputy.backup")
	w.Succeeds("backup", file)
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
	w.Dir, w.Env = empty, append(w.Env, "DEPUTY_DATA_DIR="+empty)
	key := w.Env
	w.Env = append(key, "DEPUTY_MASTER_KEY="+tokens.GenerateMasterKey())
	w.refuses("another master key", "restore", file)
	w.Env = append(key, "DEPUTY_MASTER_KEY=")
	w.refuses("DEPUTY_MASTER_KEY is not set", "restore", file)
	w.Env = key
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
	out := w.Succeeds("restore", file)
	if !strings.Contains(out, "The ledger holds.") {
		t.Errorf("restore: %s", out)
	}
}

func backupPostgres(t *testing.T, w *world) string {
	file := filepath.Join(t.TempDir(), "deputy.dump")
	w.refuses("pg_dump --format=custom --file="+file, "backup", file)
	postgres(t, "pg_dump", "--format=custom", "--file="+file, w.DSN)
	return file
}

func restorePostgres(t *testing.T, w *world, file string) {
	w.refuses("pg_restore --exit-on-error --single-transaction --no-owner", "restore", file)
	_, err := w.Database().Exec("create database restored")
	must(t, err)
	w.DSN = strings.Replace(w.DSN, "///postgres?", "///restored?", 1)
	w.Env = append(w.Env, "DEPUTY_DATABASE_URL="+w.DSN)
	postgres(t, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--dbname="+w.DSN, file)
	w.Succeeds("migrate")
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
