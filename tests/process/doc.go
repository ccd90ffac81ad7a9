// Package process runs the real binary, as anybody would: builds it, starts it on a
// database, asks it as many clients at once do, and counts what they were answered. It
// is what tests/replicas, tests/failure and tests/bench have in common, and runs on
// Linux alone.
//
// A Server tells what went wrong, for whoever measures. A Site and its Deputies are a
// test's: what goes wrong with them ends it.
package process
