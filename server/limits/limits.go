// Package limits bounds what callers can make the server do: how often somebody
// may fail, how often a client may ask, how much runs at once. It protects the
// server and knows nothing of authorization; what is allowed is policy's to say.
// Everything here has a fixed size, whatever callers vary.
package limits

import "time"

// Config of Limits. A zero switches the bound off, where it says so.
type Config struct {
	// FailureBurst is how many failures one source may make at once; one more is
	// given back every second. Half as many, and one every five seconds, may name
	// the same client. 0 = any number.
	FailureBurst int
	// ClientRate is how many requests a second a client may make with its
	// credentials, or anybody with one bearer token; twice as many at once. 0 = any number.
	ClientRate int
	// MaxInFlight bounds the requests that are worked on at the OAuth endpoints;
	// the admin API has a quarter as many places of its own. 0 = any number.
	MaxInFlight int
	// MaxConnections bounds the open connections. 0 = any number.
	MaxConnections int
	// Of failures of the same kind within FailureWindow the ledger holds the first
	// and a count of the others. It tells MaxKinds kinds apart in one window, and
	// MaxKindsPerSource from one source; the rest is counted together.
	FailureWindow     time.Duration
	MaxKinds          int
	MaxKindsPerSource int
}

// Defaults are what deputy serve uses unless told otherwise.
func Defaults() Config {
	return Config{
		FailureBurst: 20, ClientRate: 200, MaxInFlight: 1024, MaxConnections: 4096,
		FailureWindow: time.Minute, MaxKinds: 200, MaxKindsPerSource: 20,
	}
}

// How fast failures are forgiven.
const (
	sourceRefill = time.Second
	pairRefill   = 5 * time.Second
)

// guestRate is for authorization requests of people who have not signed in, who all
// may share an address: ten a second, a hundred at once.
var guestRate = rate{100 * time.Millisecond, 100}

// Limits holds the state of every bound. It is safe for concurrent use.
type Limits struct {
	Config
	OAuth       *Gate // requests in flight at the OAuth endpoints
	Admin       *Gate // and at the admin API
	Connections *Connections

	now     func() time.Time
	begin   time.Time
	sources *table // failures by source
	pairs   *table // failures by source and the client it claimed to be
	clients *exact // requests by client
	guests  *table // authorization requests by source, while nobody has signed in
	lane    *lane
	order   *order
	polls   *polls
}

// New makes the state that c describes.
func New(c Config, now func() time.Time) *Limits {
	l := &Limits{
		Config: c, OAuth: NewGate(c.MaxInFlight), Admin: NewGate((c.MaxInFlight + 3) / 4), Connections: NewConnections(c.MaxConnections),
		now: now, begin: now(), lane: newLane(), order: newOrder(), polls: newPolls(),
		sources: newTable(sourceBuckets, rate{sourceRefill, c.FailureBurst}),
		pairs:   newTable(pairBuckets, rate{pairRefill, (c.FailureBurst + 1) / 2}),
		guests:  newTable(guestBuckets, guestRate),
	}
	if c.ClientRate > 0 {
		l.clients = newExact(rate{time.Second / time.Duration(c.ClientRate), 2 * c.ClientRate})
	}
	return l
}

// elapsed is the time on the limits' clock. It is monotonic where the clock is:
// a corrected wall clock forgives nobody and holds nobody back.
func (l *Limits) elapsed() time.Duration { return l.now().Sub(l.begin) }

// Spent reports whether source has failed so often, at all or as client, that
// what it asks next must wait its turn.
func (l *Limits) Spent(source Source, client string) bool {
	if l.FailureBurst == 0 {
		return false
	}
	now := l.elapsed()
	return l.sources.spent(source, "", now) || client != "" && l.pairs.spent(source, client, now)
}

// Failed notes a failure of source, which claimed to be client, or nobody if "",
// and returns for how long such failures are answered with "too many": 0 if they
// are not.
func (l *Limits) Failed(source Source, client string) time.Duration {
	if l.FailureBurst == 0 {
		return 0
	}
	now := l.elapsed()
	if wait := l.sources.take(source, "", now); wait > 0 || client == "" {
		return wait
	}
	return l.pairs.take(source, client, now)
}

// Client notes a request that payer made, a client or a token that proved what
// it is, and returns how long it must wait: 0 if it need not. "" pays nothing.
func (l *Limits) Client(payer string) time.Duration {
	if l.clients == nil || payer == "" {
		return 0
	}
	return l.clients.take(payer, l.elapsed())
}

// Guest notes an authorization request from source by nobody who is known, and
// returns how long it must wait: 0 if it need not.
func (l *Limits) Guest(source Source) time.Duration {
	if l.FailureBurst == 0 {
		return 0
	}
	return l.guests.take(source, "", l.elapsed())
}
