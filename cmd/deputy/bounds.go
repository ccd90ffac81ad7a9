package main

import (
	"errors"

	"github.com/deputyauth/deputy/server/limits"
)

// bounds are the settings that protect the server from its callers.
type bounds struct {
	FailureBurst   int `env:"DEPUTY_FAILURE_BURST" default:"20" help:"Failures one address may make at once; one more a second. 0: any number."`
	ClientRate     int `env:"DEPUTY_CLIENT_RATE" default:"200" help:"Requests a second of one client, twice as many at once; introspection does not count. 0: any number."`
	MaxInFlight    int `env:"DEPUTY_MAX_IN_FLIGHT" default:"1024" help:"OAuth requests worked on at once; the admin API has a quarter as many places of its own. 0: any number."`
	MaxConnections int `env:"DEPUTY_MAX_CONNECTIONS" default:"4096" help:"Open connections. 0: any number."`
}

func (b bounds) check() error {
	if min(b.FailureBurst, b.ClientRate, b.MaxInFlight, b.MaxConnections) < 0 {
		return errors.New("a limit cannot be negative; 0 switches it off")
	}
	if max(b.FailureBurst, b.ClientRate) > 1_000_000 {
		return errors.New("a rate is at most 1000000; 0 switches it off")
	}
	return nil
}

func (b bounds) config() limits.Config {
	c := limits.Defaults()
	c.FailureBurst, c.ClientRate, c.MaxInFlight, c.MaxConnections = b.FailureBurst, b.ClientRate, b.MaxInFlight, b.MaxConnections
	return c
}
