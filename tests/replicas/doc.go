// Package replicas runs the real binary twice on one Postgres, under load, and
// takes things away: an agent's access, the word between the replicas, a replica's
// time, a replica, the database. It prints its claims as counts (go test -v
// ./tests/replicas). make replicas goes through it fifty times and holds it to its
// times, which a busy machine may not keep; docs/replicas.md has the results. make
// upgrade begins with an older release, whose replicas are replaced.
package replicas
