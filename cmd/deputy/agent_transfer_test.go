package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nobody is put in charge of an agent without being asked, unless that is what is meant.
func TestAgentsAreOfferedToWhoIsToAnswerForThem(t *testing.T) {
	eachDialect(t, func(t *testing.T, dialect string) {
		d := startDev(t, dialect)
		d.wrong("sponsor", "agent", "create", "reporter", "--owner", "olivia")
		d.must("agent", "create", "reporter", "--owner", "joe", "--sponsor", "Sales")
		require.Regexp(t, `sponsor +Sales`, d.must("agent", "show", "reporter"))
		d.must("agent", "set", "reporter", "--sponsor", "Finance")
		require.Regexp(t, `sponsor +Finance`, d.must("agent", "show", "reporter"))
		d.wrong("sponsor", "agent", "set", "reporter", "--sponsor", "")

		require.Regexp(t, `reporter is offered to alice until \d{4}-`, d.must("agent", "transfer", "reporter", "alice"))
		require.Regexp(t, `open +reporter +joe +alice`, d.must("agent", "transfers"))
		require.Regexp(t, `owner +joe`, d.must("agent", "show", "reporter"))
		require.Contains(t, d.must("agent", "suspend", "reporter", "--dry-run"), "Offers to answer for an agent that end: 1.")
		require.Contains(t, d.must("agent", "transfer", "reporter", "--cancel"), "offered to nobody any more")
		require.NotContains(t, d.must("agent", "transfers"), "reporter")
		require.Regexp(t, `cancelled +reporter +joe +alice`, d.must("agent", "transfers", "--state", "all"))
		d.wrong("nobody is asked", "agent", "transfer", "reporter", "--cancel")
		d.wrong("--cancel", "agent", "transfer", "reporter")
		d.wrong("--cancel", "agent", "transfer", "reporter", "alice", "--cancel")
		d.wrong(`no user named "max"`, "agent", "transfer", "reporter", "max")
		d.wrong("answers for it already", "agent", "transfer", "reporter", "joe")

		require.Regexp(t, `^reporter is offered to olivia until \S+\n$`, d.must("user", "handover", "joe", "olivia"))
		require.Regexp(t, `owner +joe`, d.must("agent", "show", "reporter"))
		require.Equal(t, "reporter is olivia's now.\n", d.must("user", "handover", "joe", "olivia", "--now"))
		require.Regexp(t, `owner +olivia`, d.must("agent", "show", "reporter"))
		require.NotRegexp(t, regexp.MustCompile(`open +reporter`), d.must("agent", "transfers"), "what was offered is decided")
	})
}
