package main

import (
	"bufio"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/tokens"
)

// clinic is a database that is well, and a doctor to be called to it.
type clinic struct {
	t    *testing.T
	cmd  doctorCmd
	data models.Options
	db   *sql.DB
	now  time.Time
}

func newClinic(t *testing.T, dialect string) *clinic {
	t.Helper()
	o := modelstest.Database(t, dialect)
	s, err := models.Open(o)
	require.NoError(t, err)
	key := tokens.GenerateMasterKey()
	master, err := tokens.NewMasterKey(key)
	require.NoError(t, err)
	ring, err := tokens.NewKeyring(t.Context(), "https://deputy.example", s, master, time.Now)
	require.NoError(t, err)
	w := modelstest.NewWorld(t, s, "w")
	for range 20 {
		modelstest.Issue(t, s, w.Token(s))
	}
	require.NoError(t, s.SignHead(t.Context(), ring.LedgerSigner()))
	modelstest.Issue(t, s, w.Token(s))
	require.NoError(t, s.Close())
	c := &clinic{t: t, data: o, now: time.Now(), cmd: doctorCmd{
		database: database{DatabaseURL: Secret(o.URL), DataDir: o.Dir}, masterKeys: masterKeys{MasterKey: Secret(key)}, Entries: 10,
	}}
	driver, dsn := "pgx", o.URL
	if o.URL == "" {
		driver, dsn = "sqlite", filepath.Join(o.Dir, "deputy.db")
	}
	c.db, err = sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.db.Close()) })
	return c
}

func (c *clinic) exec(statement string, args ...any) {
	c.t.Helper()
	_, err := c.db.Exec(fmt.Sprintf(statement, args...))
	require.NoError(c.t, err)
}

// stored is what the doctor finds in the database.
func (c *clinic) stored() map[string]finding {
	c.t.Helper()
	d := &doctor{now: func() time.Time { return c.now }, print: func(finding) {}}
	c.cmd.stored(c.t.Context(), d)
	return byCheck(c.t, d.found)
}

// sicknesses are what may be wrong with a database, and what is then found.
var sicknesses = []struct {
	name string
	do   func(c *clinic)
	want []string
}{
	{"nothing", func(*clinic) {}, []string{}},
	{"the schema is old", func(c *clinic) { c.exec("delete from goose_db_version where version_id > 10") }, []string{"fail schema"}},
	{"a step of the schema is missing", func(c *clinic) { c.exec("delete from goose_db_version where version_id = 12") }, []string{"fail schema"}},
	{"the schema is of a newer release", func(c *clinic) { c.exec("insert into goose_db_version (version_id, is_applied) values (9000, true)") }, []string{"fail schema"}},
	{"there is no schema", func(c *clinic) { c.exec("drop table goose_db_version") }, []string{"fail schema"}},
	{"the clocks differ", func(c *clinic) { c.now = c.now.Add(30 * time.Second) }, []string{"warn database clock"}},
	{"the clocks differ by much", func(c *clinic) { c.now = c.now.Add(-2 * time.Minute) }, []string{"fail database clock", "fail signing key"}},
	{"no master key", func(c *clinic) { c.cmd.MasterKey = "" }, []string{"warn master key"}},
	{"another master key", func(c *clinic) { c.cmd.MasterKey = Secret(tokens.GenerateMasterKey()) }, []string{"fail master key"}},
	{"no master key at all", func(c *clinic) { c.cmd.MasterKey = "short" }, []string{"fail master key"}},
	{"no signing key", func(c *clinic) { c.exec("delete from signing_keys where purpose = 'tokens'") }, []string{"fail signing key"}},
	{"the signing key ends", func(c *clinic) {
		c.exec("update signing_keys set retires_at = %d where purpose = 'tokens'", c.now.Unix()+3600)
	}, []string{"fail signing key"}},
	{"an old signing key", func(c *clinic) { c.exec("update signing_keys set active_at = 1 where purpose = 'tokens'") }, []string{"warn signing key"}},
	{"word is on its way", func(c *clinic) { c.wait(c.now.Unix()-5, c.now.Unix()-60) }, []string{}},
	{"word waits", func(c *clinic) { c.wait(c.now.Unix()-90, c.now.Unix()-90) }, []string{"warn outbox"}},
	{"nobody sends word", func(c *clinic) { c.wait(c.now.Unix()-3600, c.now.Unix()-3600) }, []string{"fail outbox"}},
	{"word is not taken", func(c *clinic) { c.wait(c.now.Unix()+60, c.now.Unix()-7200) }, []string{"warn outbox"}},
	{"receivers take events", func(c *clinic) { c.receiver(time.Second) }, []string{}},
	{"a receiver has just failed", func(c *clinic) { c.receiver(time.Hour); c.failing(30 * time.Second) }, []string{}},
	{"a receiver fails", func(c *clinic) { c.receiver(time.Hour); c.failing(5 * time.Minute) }, []string{"warn event receiver"}},
	{"a receiver fails for long", func(c *clinic) { c.receiver(3 * time.Hour); c.failing(2 * time.Hour) }, []string{"fail event receiver"}},
	{"events wait", func(c *clinic) { c.receiver(5 * time.Minute) }, []string{"warn event receiver"}},
	{"nobody pushes events", func(c *clinic) { c.receiver(20 * time.Minute) }, []string{"fail event receiver"}},
	{"a receiver's place is gone", func(c *clinic) {
		c.receiver(time.Second)
		c.exec("update event_receivers set position = '999999.abcdefgh'")
	}, []string{"warn event receiver"}},
	{"no ledger key", func(c *clinic) { c.exec("delete from signing_keys where purpose = 'ledger'") }, []string{"fail ledger"}},
	{"an entry is altered", func(c *clinic) {
		c.exec("update ledger set subject_id = 'usr_x' where seq = (select max(seq) from ledger) - 3")
	}, []string{"fail ledger"}},
	{"an entry is gone", func(c *clinic) { c.exec("delete from ledger where seq = (select max(seq) from ledger) - 3") }, []string{"fail ledger"}},
	{"the head is another", func(c *clinic) {
		c.exec("update ledger_head set edge = (select hashes from ledger_tree order by first limit 1)")
	}, []string{"fail ledger"}},
	{"a head is forged", func(c *clinic) { c.exec("update ledger_heads set note = replace(note, 'go.sum', 'no.sum')") }, []string{"fail ledger"}},
	{"an entry before those that are verified is altered", func(c *clinic) { c.exec("update ledger set subject_id = 'usr_x' where seq = 3") }, []string{}},
	{"the same, and all are verified", func(c *clinic) {
		c.cmd.Thorough = true
		c.exec("update ledger set subject_id = 'usr_x' where seq = 3")
	}, []string{"fail ledger"}},
	{"nobody signs the head", func(c *clinic) { c.exec("update ledger_heads set at = at - 3600000") }, []string{"warn ledger head"}},
}

func TestDoctorFindsWhatIsWrongWithADatabase(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		for _, one := range sicknesses {
			t.Run(one.name, func(t *testing.T) {
				c := newClinic(t, dialect)
				one.do(c)
				found := unwell(c.stored())
				for i := range found { // of receivers the id follows
					found[i], _, _ = strings.Cut(found[i], " evr_")
				}
				require.Equal(t, one.want, found)
			})
		}
	})
	t.Run("there is no database", func(t *testing.T) {
		c := &clinic{t: t, cmd: doctorCmd{database: database{DataDir: t.TempDir()}}}
		require.Equal(t, []string{"fail database"}, unwell(c.stored()))
		require.NoFileExists(t, filepath.Join(c.cmd.DataDir, "deputy.db"), "looking makes none")
		c.cmd.DatabaseURL = Secret("postgres:///deputy?host=" + t.TempDir())
		require.Equal(t, []string{"fail database"}, unwell(c.stored()))
	})
}

// wait puts a notice into the outbox.
func (c *clinic) wait(due, made int64) {
	c.t.Helper()
	c.exec(`insert into outbox (id, kind, client_id, subject_id, session_id, url, created_at, next_at, tries)
		select 'ntc_a', 'word', id, '', '', '', %d, %d, 0 from clients limit 1`, made, due)
}

func TestDoctorLoadsAndTestsHousePolicy(t *testing.T) {
	look := func(dir string) map[string]finding {
		d := &doctor{now: time.Now, print: func(finding) {}}
		(&doctorCmd{PolicyDir: dir}).policy(t.Context(), d)
		return byCheck(t, d.found)
	}
	require.Empty(t, unwell(look("")))
	require.Equal(t, []string{"fail policy"}, unwell(look(filepath.Join(t.TempDir(), "nowhere"))))
	dir := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, devPolicy(dir))
	require.Equal(t, healthy, look(dir)["policy: house"].Status)
	found, err := filepath.Glob(filepath.Join(dir, "*", "*_test.rego"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	body, err := os.ReadFile(found[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(found[0], []byte(string(body)+"\ntest_that_fails if false\n"), 0o600))
	require.Equal(t, []string{"fail policy: house"}, unwell(look(dir)))
	for _, file := range found {
		require.NoError(t, os.Remove(file))
	}
	require.Equal(t, []string{"warn policy: house"}, unwell(look(dir)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.rego"), []byte("package house\n\nallow if"), 0o600))
	require.Equal(t, []string{"fail policy"}, unwell(look(dir)))
}

// mailServer greets and says that it takes mail, or not.
func mailServer(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, greeting+"\r\n")
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "QUIT") {
						fmt.Fprint(conn, "221 bye\r\n")
						return
					}
					fmt.Fprint(conn, "250 ok\r\n")
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestDoctorConnectsToTheMailServer(t *testing.T) {
	look := func(f wordFlags) []string {
		d := &doctor{now: time.Now, print: func(finding) {}}
		(&doctorCmd{Issuer: "https://deputy.example", wordFlags: f}).mail(t.Context(), d)
		return unwell(byCheck(t, d.found))
	}
	good := mailServer(t, "220 mail.example")
	require.Empty(t, look(wordFlags{}))
	require.Empty(t, look(wordFlags{SMTPAddress: good, SMTPTLS: "none", MailFrom: "deputy@example.com"}))
	for name, f := range map[string]wordFlags{
		"no sender":     {SMTPAddress: good, SMTPTLS: "none"},
		"no TLS there":  {SMTPAddress: good, SMTPTLS: "starttls", MailFrom: "deputy@example.com"},
		"not wanted":    {SMTPAddress: mailServer(t, "554 go away"), SMTPTLS: "none", MailFrom: "deputy@example.com"},
		"nobody there":  {SMTPAddress: "127.0.0.1:9", SMTPTLS: "none", MailFrom: "deputy@example.com"},
		"no such place": {SMTPAddress: "mail.example", SMTPTLS: "none", MailFrom: "deputy@example.com"},
	} {
		require.Equal(t, []string{"fail mail"}, look(f), name)
	}
}
