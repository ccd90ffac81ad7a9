package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/deputyauth/deputy/models"
)

// Statuses of a check, and of all together. Only statusFail means that requests
// should go elsewhere; statusWarn is for whoever watches.
const (
	statusOK   = "ok"
	statusWarn = "warn"
	statusFail = "fail"
)

// check is what one check found. It names what is wrong and shows nothing of
// how it looks inside: anybody may ask.
type check struct {
	Status     string  `json:"status"`
	Detail     string  `json:"detail,omitempty"`
	AgeSeconds float64 `json:"age_seconds,omitempty"`
	Behind     int64   `json:"behind,omitempty"`
}

// readiness is the answer of /readyz.
type readiness struct {
	Status string           `json:"status"`
	Checks map[string]check `json:"checks"`
	// Alarms counts how often since the start the seat belt held or policy
	// failed to answer. That should be never.
	Alarms int64 `json:"alarms"`
}

// healthz says that the process answers. It hangs from nothing else.
func (s *Server) healthz(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": statusOK}) }

// readyz says whether Deputy can do its work, check by check.
func (s *Server) readyz(c *gin.Context) {
	h, err := s.probe.look(c.Request.Context(), s.Store)
	r := readiness{Status: statusOK, Alarms: s.Endpoint.Alarms(), Checks: map[string]check{
		"database":     checkDatabase(err),
		"ledger":       checkLedger(s.Store.Committer(), h, s.Store.HeadAge()),
		"facts":        checkFacts(h, s.Store.FactsAge(), s.Store.Deaf()),
		"clock":        checkClock(h, s.Store.Now()),
		"policy":       s.checkPolicy(),
		"signing_keys": s.checkKeys(),
		"upkeep":       s.checkUpkeep(),
		"serving":      s.checkServing(),
	}}
	status := http.StatusOK
	for _, one := range r.Checks {
		switch {
		case one.Status == statusFail:
			r.Status, status = statusFail, http.StatusServiceUnavailable
		case one.Status == statusWarn && r.Status == statusOK:
			r.Status = statusWarn
		}
	}
	noStore(c)
	c.JSON(status, r)
}

func checkDatabase(err error) check {
	if err != nil {
		return check{Status: statusFail, Detail: "The database does not answer, or its schema is not there."}
	}
	return check{Status: statusOK}
}

// Bounds beyond which a check is not content.
const (
	commitTooLong = 3 * time.Second
	failedLately  = 5 * time.Second // then requests may try again
	headTooOld    = 30 * time.Second
	factsTooOld   = 5 * time.Second
	deafTooLong   = 10 * time.Second
	clockTooFar   = 5 * time.Second
)

func checkLedger(w models.Committer, h models.Health, headAge time.Duration) check {
	one := check{Status: statusOK, AgeSeconds: seconds(headAge), Behind: h.Entries - h.Signed}
	switch {
	case w.Stopped:
		one.Status, one.Detail = statusFail, "The writer of the ledger has stopped."
	case w.Busy > commitTooLong:
		one.Status, one.Detail = statusFail, "A commit of the ledger takes too long."
	case w.Failed > 0 && w.Failed < failedLately:
		one.Status, one.Detail = statusFail, "The last commit of the ledger failed."
	case headAge > headTooOld:
		one.Status, one.Detail = statusWarn, "The ledger's head has not been signed for a while."
	}
	return one
}

// checkFacts never fails: what is out of date is noticed before a decision
// leaves, and costs time only.
func checkFacts(h models.Health, age, deaf time.Duration) check {
	one := check{Status: statusOK, AgeSeconds: seconds(age), Behind: h.Behind}
	if age > factsTooOld {
		one.Status, one.Detail = statusWarn, "The facts in memory have not been compared with the database for a while."
	} else if deaf > deafTooLong {
		one.Status, one.Detail = statusWarn, "The database does not tell of changes by other replicas; they are found by polling alone."
	}
	return one
}

// checkClock compares with whoever wrote the newest entry: this server some
// time ago, or another replica just now.
func checkClock(h models.Health, now int64) check {
	if ahead := time.Duration(h.Newest-now*1000) * time.Millisecond; ahead > clockTooFar {
		return check{Status: statusWarn, Detail: "The newest ledger entry is of the future: this clock, or another replica's, is wrong."}
	}
	return check{Status: statusOK}
}

func (s *Server) checkPolicy() check {
	if s.Policy().LastError != "" {
		return check{Status: statusWarn, Detail: "The newest house policy was refused; the one before serves."}
	}
	return check{Status: statusOK}
}

func (s *Server) checkKeys() check {
	if !s.Keys.Ready() {
		return check{Status: statusFail, Detail: "No signing key is active."}
	}
	if s.Keys.Lost() {
		return check{Status: statusWarn, Detail: "The keys are sealed under another master key by now: this server must be restarted with that one."}
	}
	return check{Status: statusOK}
}

// checkUpkeep never fails: nobody is served worse by what is done now and then.
func (s *Server) checkUpkeep() check {
	one := check{Status: statusOK}
	if s.Failing == nil {
		return one
	}
	var oldest time.Time
	for _, since := range s.Failing() {
		if !since.IsZero() && (oldest.IsZero() || since.Before(oldest)) {
			oldest = since
		}
	}
	if !oldest.IsZero() {
		one.AgeSeconds = seconds(time.Since(oldest))
		one.Status, one.Detail = statusWarn, "Archiving the ledger, or rotating signing keys, fails; it is tried again. The log says why."
	}
	return one
}

func (s *Server) checkServing() check {
	if s.leaving.Load() {
		return check{Status: statusFail, Detail: "The server is shutting down; requests should go elsewhere."}
	}
	return check{Status: statusOK}
}

// seconds to a thousandth.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// probe asks the database how things are, at most ten times a second however
// many ask: /readyz is open to everybody, and connections are few.
type probe struct {
	mu    sync.Mutex
	at    time.Time
	found models.Health
	err   error
}

const (
	probeEvery   = 100 * time.Millisecond
	probeTimeout = time.Second
)

func (p *probe) look(ctx context.Context, store *models.Store) (models.Health, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) > probeEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		p.found, p.err = store.Health(ctx)
		p.at = time.Now()
	}
	return p.found, p.err
}
