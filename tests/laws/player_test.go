package laws

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/bundles"
	"github.com/deputyauth/deputy/models"
	"github.com/deputyauth/deputy/tests/harness"
)

// player plays worlds against one server and remembers what the ledger owes.
type player struct {
	s    *harness.Server
	r    *rand.Rand
	w    *world
	boss *administrator

	anew *bundles.Engine // the same policy, which reuses no answer

	kid      string            // of the key that signs tokens
	private  *ecdsa.PrivateKey // that key, to forge with what no forger has
	stranger *ecdsa.PrivateKey // a key nobody registered

	cases int
	seen  map[string]int // what happened how often, so that nothing is proved about nothing

	calls   int
	ledger  auditor
	log     []string // of this world
	broken  error    // the first law that did not hold
	opening string   // the world as it was in the beginning
	asked   []*ask   // in this world, to ask again
}

// answer is what came back, beside the second in which it was made.
type answer struct {
	harness.Answer
	call, path    string // call is the request id
	before, after int64
	asked, done   int64 // the same in milliseconds
}

func newPlayer(tb testing.TB, dialect string, o harness.Options) *player {
	tb.Helper()
	if o.House == nil {
		o.House = emptyHouse
	}
	p := &player{s: harness.New(tb, dialect, o), seen: map[string]int{}}
	p.kid, p.private = p.s.SigningKey()
	var err error
	p.anew, err = bundles.New(bundles.Options{Floor: o.Floor, House: o.House, NoReuse: true, Deadline: wait})
	require.NoError(tb, err)
	p.stranger, err = ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	require.NoError(tb, err)
	p.boss = &administrator{Client: p.s.Agent("boss", p.s.User("owner"))}
	require.NoError(tb, p.s.Store.CreateAssignment(tb.Context(), by, &models.Assignment{RoleID: models.AdminRoleID, PrincipalID: p.boss.ID}))
	require.NoError(tb, p.ledger.begin(p.s))
	return p
}

// play makes the world of this number and plays in it until cases requests were
// answered there. It says which law broke first, if one did.
func (p *player) play(seed uint64, number, cases int) error {
	p.r = rand.New(rand.NewPCG(seed, uint64(number)))
	p.log, p.broken, p.asked = nil, nil, nil
	if err := p.newWorld(number); err != nil {
		return err
	}
	p.opening = p.w.String()
	if p.w.wide {
		p.climb()
	}
	for until := p.cases + cases; p.cases < until && p.broken == nil; {
		p.step()
	}
	if p.broken == nil {
		p.agreeWithAPI()
	}
	if p.broken == nil {
		p.ledger.check(p)
	}
	if p.broken == nil {
		return nil
	}
	return fmt.Errorf("%w\n\nreplay with LAWS_SEED=%d LAWS_WORLD=%d\n\nThe world:\n%s\nWhat happened:\n%s",
		p.broken, seed, number, p.opening, strings.Join(p.log[max(0, len(p.log)-200):], "\n"))
}

// step is one thing that happens in a world.
func (p *player) step() {
	switch n := p.r.IntN(100); {
	case n < 24:
		p.askOwn()
	case n < 60:
		p.askExchange()
	case n < 70 && len(p.asked) > 0:
		p.submit(pick(p, p.asked)) // once more, and the world may have changed
	case n < 80:
		p.introspectSome()
	case n < 82:
		p.revokeSome()
	case n < 84:
		p.strangers()
	case n < 96:
		p.change()
	default:
		p.wait()
	}
}

// wait moves the clock: mostly a little.
func (p *player) wait() {
	seconds := 1 + p.r.IntN(60)
	if p.r.IntN(8) == 0 {
		seconds = 300 + p.r.IntN(2000)
	}
	p.s.Clock.Advance(secondsOf(seconds))
	p.note("clock +%ds", seconds)
	p.seen["clock moved"]++
}

// must notes a law that does not hold; only the first is kept, because what
// follows may be its consequence.
func (p *player) must(holds bool, law, format string, args ...any) {
	if !holds && p.broken == nil {
		p.broken = fmt.Errorf("%s: %s", law, fmt.Sprintf(format, args...))
	}
}

func (p *player) note(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf("%3d  ", len(p.log))+fmt.Sprintf(format, args...))
}

// send sends a request under an id of its own, by which the ledger is asked for
// it later. A fault of the server's breaks a law whatever was asked. Before it,
// failures are counted if it is time.
func (p *player) send(method, path, contentType, body string, authorize func(*http.Request)) answer {
	p.calls++
	p.countFailures()
	a := answer{call: fmt.Sprintf("call-%d", p.calls), path: path, asked: p.s.Clock.Now().UnixMilli()}
	req, err := http.NewRequest(method, p.s.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		p.must(false, "L0", "cannot ask: %v", err)
		return a
	}
	req.Header.Set("X-Request-ID", a.call)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if authorize != nil {
		authorize(req)
	}
	a.Answer = p.s.Send(req)
	a.done = p.s.Clock.Now().UnixMilli()
	a.before, a.after = a.asked/1000, a.done/1000
	p.must(a.Status < 500, "L0", "%s %s: the server is at fault: %d %s", method, path, a.Status, a.Body)
	return a
}

func (p *player) form(path string, form url.Values, authorize func(*http.Request)) answer {
	return p.send(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), authorize)
}

// moments are the seconds in which an answer may have been made.
func (a answer) moments() (out []int64) {
	for t := a.before; t <= a.after; t++ {
		out = append(out, t)
	}
	return out
}

// administrator changes things, over HTTP like anybody else.
type administrator struct {
	*harness.Client
	token string
	until int64
}

// api calls the admin API as the administrator.
func (p *player) api(method, path, body string) answer {
	if now := p.s.Clock.Now().Unix(); now >= p.boss.until {
		form := url.Values{"grant_type": {"client_credentials"}, "resource": {p.s.URL + "/api/v1"}, "scope": {strings.Join(bossScopes, " ")}}
		a := p.form("/oauth2/token", form, func(r *http.Request) { r.SetBasicAuth(p.boss.ID, p.boss.Secret) })
		p.must(a.Status == http.StatusOK, "L0", "the administrator got no token: %s", a.Body)
		p.ledger.owe(a, owed{granted: true, jti: idOf(a.String("access_token"))})
		p.boss.token, p.boss.until = a.String("access_token"), now+10
	}
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	a := p.send(method, "/api/v1"+path, contentType, body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+p.boss.token) })
	p.must(a.Status < 300, "L0", "the administrator was refused: %s %s: %d %s", method, path, a.Status, a.Body)
	p.ledger.owe(a, owed{granted: true, change: true})
	return a
}

var bossScopes = []string{
	"clients:read", "clients:suspend", "clients:write", "credentials:write", "groups:write", "resources:write", "roles:assign", "roles:write",
	"tokens:revoke", "users:suspend", "users:write",
}

// agreeWithAPI compares what the world says some clients hold with what Deputy's
// own API says, so that both speak of the same world.
func (p *player) agreeWithAPI() {
	for range 2 {
		c := p.w.clients[p.r.IntN(len(p.w.clients))]
		theirs, ours := []string{}, []string{}
		a := p.api(http.MethodGet, "/clients/"+c.id+"/effective-scopes?limit=200", "")
		items, _ := a.JSON["items"].([]any)
		for _, item := range items {
			one, _ := item.(map[string]any)
			theirs = append(theirs, fmt.Sprint(one["resource_server_id"], " ", one["scope"]))
		}
		for _, s := range p.w.services {
			for _, sc := range s.scopes {
				if p.w.holds(c, ref{s, sc.name}) {
					ours = append(ours, s.id+" "+sc.name)
				}
			}
		}
		p.must(fmt.Sprint(distinct(theirs)) == fmt.Sprint(distinct(ours)), "L0", "%s holds %v, and the API says %v", c.name, ours, theirs)
	}
}
