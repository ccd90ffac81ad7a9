package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

type doctorCmd struct {
	database
	masterKeys
	wordFlags
	Target    string           `arg:"" optional:"" default:"local" help:"local, to look at what a server here would work with; or the issuer's URL, to look at a running one as its clients do."`
	Issuer    string           `env:"DEPUTY_ISSUER" help:"With local: public URL of the server."`
	PolicyDir string           `env:"DEPUTY_POLICY_DIR" help:"With local: folder of your house policy." placeholder:"DIR"`
	ClientID  string           `env:"DEPUTY_CLIENT_ID" help:"With a URL: who follows events, as the operator of a service or as an administrator with events:read." placeholder:"ID"`
	Secret    Secret           `name:"client-secret" env:"DEPUTY_CLIENT_SECRET" help:"Its secret." placeholder:"SECRET"`
	Entries   int64            `default:"1000" help:"With local: how many of the newest entries of the ledger to verify."`
	Thorough  bool             `help:"With local: verify every entry, and run the tests of the policy in this binary, too."`
	JSON      bool             `name:"json" help:"Print one JSON document."`
	now       func() time.Time // nil: the machine's
}

// Statuses of a finding.
const (
	healthy   = "ok"
	suspect   = "warn"
	sick      = "fail"
	clockWarn = 5 * time.Second
	clockFail = time.Minute // beyond that tokens are taken for early, or late
)

// finding is what one check found.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"` // what helps
}

func (f finding) String() string {
	status := f.Status
	if status == sick {
		status = "FAIL"
	}
	line := fmt.Sprintf("%-4s  %-26s %s", status, f.Check, f.Detail)
	if f.Do != "" {
		line += " -> " + f.Do
	}
	return line
}

// doctor gathers findings. No check holds up the others, but where nothing could be
// found without it.
type doctor struct {
	now   func() time.Time
	found []finding
	print func(finding)
}

func (d *doctor) say(f finding) {
	d.found = append(d.found, f)
	d.print(f)
}

func (d *doctor) ok(check, format string, args ...any) {
	d.say(finding{Check: check, Status: healthy, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(check, do, format string, args ...any) {
	d.say(finding{check, suspect, fmt.Sprintf(format, args...), do})
}

func (d *doctor) fail(check, do, format string, args ...any) {
	d.say(finding{check, sick, fmt.Sprintf(format, args...), do})
}

// skew judges a clock that reads there against this machine's.
func (d *doctor) skew(check, whose string, there time.Time) {
	const do = "keep the clocks of all machines disciplined (chrony, systemd-timesyncd)"
	off := there.Sub(d.now()).Round(100 * time.Millisecond)
	switch far := off.Abs(); {
	case far > clockFail:
		d.fail(check, do, "%s is off by %v from this machine's", whose, off)
	case far > clockWarn:
		d.warn(check, do, "%s is off by %v from this machine's", whose, off)
	default:
		d.ok(check, "%s and this machine's agree within %v", whose, clockWarn)
	}
}

// Run prints one line for each check. It fails if one of them does.
func (c *doctorCmd) Run(ctx context.Context, out streams) error {
	d := &doctor{now: c.now, print: func(f finding) {
		if !c.JSON {
			fmt.Fprintln(out.out, f)
		}
	}}
	if d.now == nil {
		d.now = time.Now
	}
	if c.Target == "local" {
		c.local(ctx, d)
	} else {
		client := &http.Client{Timeout: 10 * time.Second}
		(&patient{doctor: d, http: client, as: credentials{c.ClientID, string(c.Secret)}}).examine(ctx, c.Target)
	}
	return d.sum(out.out, c.JSON)
}

func (d *doctor) sum(out io.Writer, asJSON bool) error {
	counts := map[string]int{}
	for _, f := range d.found {
		counts[f.Status]++
	}
	status := healthy
	switch {
	case counts[sick] > 0:
		status = sick
	case counts[suspect] > 0:
		status = suspect
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"status": status, "checks": d.found}); err != nil {
			return err
		}
	}
	if counts[sick] > 0 {
		return fmt.Errorf("doctor: %d of %d checks fail", counts[sick], len(d.found))
	}
	return nil
}
