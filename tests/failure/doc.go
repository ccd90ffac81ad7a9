// Package failure unplugs a running Deputy: it takes away the database, the
// disk, the process, the clock, and counts what was lost. The tests run the real
// binary and print their claims as counts (go test -v ./tests/failure). They use
// Linux's ways to break things, so they run on Linux alone; FAILURE_ROUNDS
// repeats the parts that go in rounds more often.
package failure
