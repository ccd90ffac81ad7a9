package people

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/models/modelstest"
	"github.com/deputyauth/deputy/server/grants"
	"github.com/deputyauth/deputy/server/limits"
	"github.com/deputyauth/deputy/server/tokens"
)

// noted keeps failures as the ledger would.
type noted struct {
	mu  sync.Mutex
	all []grants.Failure
}

func (n *noted) NoteFailure(_ context.Context, _ grants.Call, f grants.Failure) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, f)
	return nil
}

func (n *noted) reasons() (out []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.all {
		out = append(out, f.Reason)
	}
	return out
}

// town is People with a clock that moves when told to, and a ledger to look at.
type town struct {
	*testing.T
	*People
	store *models.Store
	noted *noted
	ahead atomic.Int64
}

const secretWord = "plum lantern orbit"

func eachTown(t *testing.T, fn func(w *town)) {
	t.Parallel()
	modelstest.EachDatabase(t, func(t *testing.T, o models.Options) {
		w := &town{T: t, noted: &noted{}}
		begin := time.Now()
		o.Now = func() time.Time { return begin.Add(time.Duration(w.ahead.Load())) }
		w.store = modelstest.Open(t, o)
		master, err := tokens.NewMasterKey(tokens.GenerateMasterKey())
		require.NoError(t, err)
		w.People, err = New(Config{
			Issuer: "https://deputy.example", Store: w.store, Master: master, Failures: w.noted, Limits: limits.Defaults(), Now: o.Now,
		})
		require.NoError(t, err)
		fn(w)
	})
}

func (w *town) user(name string) *models.User {
	w.Helper()
	u := modelstest.User(w, w.store, name)
	hash, err := HashPassword(secretWord)
	require.NoError(w, err)
	require.NoError(w, w.store.SetPassword(w.Context(), modelstest.By(), u.ID, hash, ""))
	return u
}

func from(ip string) grants.Call { return grants.Call{IP: ip, RequestID: "r", UserAgent: "test"} }

// reason is why something was refused.
func (w *town) reason(err error) string {
	w.Helper()
	var problem *Problem
	require.ErrorAs(w, err, &problem)
	return problem.Reason
}

func TestSignIn(t *testing.T) {
	eachTown(t, func(w *town) {
		alice := w.user("alice")
		in, err := w.SignIn(w.Context(), from("192.0.2.1"), Browser{}, " Alice ", secretWord)
		require.NoError(w, err)
		who, err := w.Person(w.Context(), in.Secret)
		require.NoError(w, err)
		require.Equal(w, &grants.Person{UserID: alice.ID, SessionID: in.Session.ID, AuthTime: w.now().Unix(), ACR: "1", AMR: []string{"pwd"}}, who)
		again, err := w.SignIn(w.Context(), from("192.0.2.1"), Browser{Session: in.Secret}, "alice", secretWord)
		require.NoError(w, err)
		require.NotEqual(w, in.Secret, again.Secret)
		who, err = w.Person(w.Context(), in.Secret)
		require.NoError(w, err)
		require.Nil(w, who, "the session that was there is replaced")
		require.NoError(w, w.SignOut(w.Context(), from("192.0.2.1"), again.Secret))
		require.NoError(w, w.SignOut(w.Context(), from("192.0.2.1"), again.Secret))
		who, err = w.Person(w.Context(), again.Secret)
		require.NoError(w, err)
		require.Nil(w, who)
	})
}

// Whatever is wrong, a person is told the same; the ledger knows.
func TestWrongInEveryWay(t *testing.T) {
	eachTown(t, func(w *town) {
		alice, bob := w.user("alice"), w.user("bob")
		modelstest.User(w, w.store, "keyless")
		_, err := w.store.SuspendUser(w.Context(), modelstest.By(), bob.ID)
		require.NoError(w, err)
		for i, c := range []struct{ name, password, reason, user string }{
			{"alice", "plum lantern orbi", "wrong_password", alice.ID},
			{"alice", "", "wrong_password", alice.ID},
			{"alice", strings.Repeat("x", 60_000), "wrong_password", alice.ID},
			{"nobody", secretWord, "unknown_user", ""},
			{"no\x00body\xff", secretWord, "unknown_user", ""},
			{"keyless", secretWord, "no_password", ""},
			{"bob", secretWord, "inactive_user", bob.ID},
		} {
			_, err := w.SignIn(w.Context(), from("192.0.2.1"), Browser{}, c.name, c.password)
			require.Equal(w, "wrong_password", w.reason(err))
			require.Equal(w, c.reason, w.noted.reasons()[i])
			if c.user != "" {
				require.Equal(w, c.user, w.noted.all[i].User)
			}
			require.NotContains(w, w.noted.all[i].About, c.name)
		}
	})
}

// Nobody can tell by the time it takes whether somebody exists.
func TestNobodyCostsTheSame(t *testing.T) {
	hash, err := HashPassword(secretWord)
	require.NoError(t, err)
	nobodys, err := nobodysHash()
	require.NoError(t, err)
	cost := func(hash string) string { return hash[:strings.LastIndex(hash[:strings.LastIndex(hash, "$")], "$")] }
	require.Equal(t, cost(hash), cost(nobodys), "of argon2id")

	measure := func(known *models.Password) time.Duration {
		begin := time.Now()
		_, err := verify("a guess", known)
		require.NoError(t, err)
		return time.Since(begin)
	}
	alike := func() bool { // the fastest of some, in turn: other work on the machine only makes them slower
		somebody, nobody := time.Hour, time.Hour
		for range 5 {
			somebody, nobody = min(somebody, measure(&models.Password{Hash: hash})), min(nobody, measure(nil))
		}
		return somebody < 2*nobody && nobody < 2*somebody
	}
	for range 20 {
		if alike() {
			return
		}
	}
	t.Error("nobody takes another time than somebody")
}

// A thousand failures from everywhere keep the owner out for a minute at most,
// and not at all where they signed in before.
func TestGuessingFromEverywhere(t *testing.T) {
	eachTown(t, func(w *town) {
		w.user("alice")
		home, err := w.SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.NoError(w, err)
		limited := 0
		for i := range 1000 {
			_, err := w.SignIn(w.Context(), from("198.51."+string(rune('0'+i%10))+"."+string(rune('0'+i/10%10))), Browser{}, "alice", "guess")
			if w.reason(err) == "too_many" {
				limited++
			}
		}
		require.Equal(w, 995, limited)
		_, err = w.SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.Equal(w, "too_many", w.reason(err), "an attempt from a device that nobody knows waits")
		in, err := w.SignIn(w.Context(), from("203.0.113.9"), Browser{Device: home.Device}, "alice", secretWord)
		require.NoError(w, err, "one from a device that is known does not")
		require.NotEmpty(w, in.Secret)
		w.ahead.Add(int64(time.Minute))
		_, err = w.SignIn(w.Context(), from("203.0.113.77"), Browser{}, "alice", secretWord)
		require.NoError(w, err)
	})
}

// Guesses are counted wherever they are made: a second replica gives nobody more of
// them, and a third neither, and one that restarts forgets none.
func TestGuessingAtSeveralReplicas(t *testing.T) {
	eachTown(t, func(w *town) {
		w.user("alice")
		replicas := []*People{w.People}
		for range 2 {
			again, err := New(Config{Issuer: w.issuer, Store: w.store, Master: w.master, Failures: w.noted, Limits: limits.Defaults(), Now: w.now})
			require.NoError(w, err)
			replicas = append(replicas, again)
		}
		reasons := map[string]int{}
		for i := range 60 {
			_, err := replicas[i%3].SignIn(w.Context(), from("198.51."+string(rune('0'+i%10))+"."+string(rune('0'+i/10%10))), Browser{}, "alice", "guess")
			reasons[w.reason(err)]++
		}
		require.Equal(w, map[string]int{"wrong_password": 5, "too_many": 55}, reasons)
		_, err := replicas[1].SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.Equal(w, "too_many", w.reason(err))
		w.ahead.Add(int64(time.Second))
		_, err = replicas[1].SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.NoError(w, err)
		_, err = replicas[2].SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.NoError(w, err, "who proved who they are is forgiven everywhere")
	})
}

// A known device is no way around the limits: it has its own.
func TestGuessingFromAKnownDevice(t *testing.T) {
	eachTown(t, func(w *town) {
		w.user("alice")
		w.user("bob")
		in, err := w.SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.NoError(w, err)
		looked := 0
		for range 100 {
			_, err := w.SignIn(w.Context(), from("203.0.113.9"), Browser{Device: in.Device}, "alice", "guess")
			if w.reason(err) == "wrong_password" {
				looked++
			}
		}
		require.Equal(w, 10, looked)
		for _, device := range []string{in.Device + "x", in.Device[:len(in.Device)-2], DevicePrefix, DevicePrefix + "!", strings.Repeat("x", 600), ""} {
			_, known := w.knownDevice(device, in.Session.UserID)
			require.False(w, known)
		}
		_, known := w.knownDevice(in.Device, "usr_somebody_else")
		require.False(w, known)
		w.ahead.Add(int64(DeviceLife + time.Second))
		_, known = w.knownDevice(in.Device, in.Session.UserID)
		require.False(w, known, "in the end it is forgotten")
	})
}

// One source tries many accounts.
func TestSpraying(t *testing.T) {
	eachTown(t, func(w *town) {
		w.user("alice")
		looked := 0
		for i := range 200 {
			_, err := w.SignIn(w.Context(), from("198.51.100.1"), Browser{}, "user"+string(rune('a'+i%26))+string(rune('a'+i/26)), "guess")
			if w.reason(err) == "wrong_password" {
				looked++
			}
		}
		require.Equal(w, 20, looked)
		_, err := w.SignIn(w.Context(), from("203.0.113.9"), Browser{}, "alice", secretWord)
		require.NoError(w, err, "others notice nothing")
	})
}

func TestUnacceptable(t *testing.T) {
	p := &People{host: "id.example.org"}
	for password, reason := range map[string]string{
		"":                        "password_short",
		"1234567":                 "password_short",
		"äöüäöüä":                 "password_short",
		strings.Repeat("äx", 129): "password_long",
		"password":                "password_common",
		"Password123!":            "password_common",
		"P@ssw0rd":                "password_common",
		"iloveyou2026":            "password_common",
		"aaaaaaaaaaaa":            "password_common",
		"abcabcabcabc":            "password_common",
		"qwertzuiop":              "password_common",
		"87654321":                "password_common",
		"mnbvcxzlkj":              "password_common",
		"1qaz2wsx3edc":            "password_common",
		"alice.smith":             "password_personal",
		"Alice2026!":              "password_personal",
		"deputy-1":                "password_personal",
		"smith@example":           "password_personal",
		"ok \xff bytes here":      "password_unreadable",
	} {
		problem := p.unacceptable(password, "alice", "smith@mail.test", "Alice Smith")
		require.NotNil(t, problem, password)
		require.Equal(t, reason, problem.Reason, password)
		require.Equal(t, "password", problem.Field)
	}
	for _, password := range []string{secretWord, "alice likes plums and lanterns", "ßéñ漢字かな交じり文", "tr0ub4dor&3x", strings.Repeat("lantern plum ", 19), "vK9#mq2L"} {
		require.Nil(t, p.unacceptable(password, "alice", "smith@mail.test", "Alice Smith"), password)
	}
}

// Keyboards write the same letter differently.
func TestPasswordsAreNormalized(t *testing.T) {
	hash, err := HashPassword("café \ufb01ne words")
	require.NoError(t, err)
	ok, err := verify("cafe\u0301 fine words", &models.Password{Hash: hash})
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"))
}

// Two are hashed at once; sixty-four wait; the rest is told to come back.
func TestHashingIsBounded(t *testing.T) {
	eachTown(t, func(w *town) {
		var busy, wrong atomic.Int64
		var all sync.WaitGroup
		for i := range 150 {
			all.Go(func() {
				_, err := w.SignIn(w.Context(), from("198.51.100."+string(rune('0'+i%10))), Browser{}, "user"+string(rune('a'+i%26))+string(rune('a'+i/26)), "guess")
				var problem *Problem
				switch errors.As(err, &problem); problem.Reason {
				case "busy":
					busy.Add(1)
				case "wrong_password":
					wrong.Add(1)
				}
			})
		}
		all.Wait()
		require.NotZero(w, busy.Load())
		require.NotZero(w, wrong.Load())
		require.Equal(w, int64(150), busy.Load()+wrong.Load())
	})
}

func TestSeenIsWrittenNowAndThen(t *testing.T) {
	eachTown(t, func(w *town) {
		w.user("alice")
		in, err := w.SignIn(w.Context(), from("192.0.2.1"), Browser{}, "alice", secretWord)
		require.NoError(w, err)
		look := func() {
			who, err := w.Person(w.Context(), in.Secret)
			require.NoError(w, err)
			require.NotNil(w, who)
		}
		look()
		require.Empty(w, w.seen.take(), "not within a minute")
		for range 5 { // five hours, never an hour without a look
			w.ahead.Add(int64(59 * time.Minute))
			look()
			require.NoError(w, w.Tend(w.Context()))
		}
		w.ahead.Add(int64(SessionIdle))
		who, err := w.Person(w.Context(), in.Secret)
		require.NoError(w, err)
		require.Nil(w, who)
	})
}
