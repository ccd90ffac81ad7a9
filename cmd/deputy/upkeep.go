package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/deputyauth/deputy/server/upkeep"
)

// upkeepFlags are the settings of what a server does by itself, now and then.
type upkeepFlags struct {
	ArchiveDir      string `env:"DEPUTY_ARCHIVE_DIR" help:"Folder to archive the ledger's past into, once a day; empty: all of it is kept. Replicas need one that they share, or the setting at one of them alone." placeholder:"DIR"`
	ArchiveAfter    span   `env:"DEPUTY_ARCHIVE_AFTER" default:"90d" help:"How old what is archived is: 2d at least." placeholder:"TIME"`
	RotateKeysEvery span   `env:"DEPUTY_ROTATE_KEYS_EVERY" default:"90d" help:"How long a signing key signs until the next one is made: 1d at least; 0: until somebody rotates it." placeholder:"TIME"`

	RotateLedgerKeyEvery span `env:"DEPUTY_ROTATE_LEDGER_KEY_EVERY" default:"0" help:"How long a key signs the ledger's heads until the next one is made: 1d at least; 0: until somebody rotates it. Whoever verifies elsewhere needs the next one." placeholder:"TIME"`
}

// upkeep is what they ask for.
func (f upkeepFlags) upkeep() upkeep.Config {
	return upkeep.Config{
		ArchiveDir: f.ArchiveDir, ArchiveAfter: time.Duration(f.ArchiveAfter),
		RotateEvery: time.Duration(f.RotateKeysEvery), RotateLedgerEvery: time.Duration(f.RotateLedgerKeyEvery),
	}
}

// span is a length of time: in days (90d), or as time.ParseDuration reads it.
type span time.Duration

// maxDays is longer than anything is kept here.
const maxDays = 36500

// UnmarshalText reads it.
func (s *span) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > maxDays {
			return fmt.Errorf("%q is no number of days", text)
		}
		*s = span(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	if err != nil {
		return fmt.Errorf("%q is no length of time, such as 90d or 36h: %w", text, err)
	}
	*s = span(d)
	return nil
}
