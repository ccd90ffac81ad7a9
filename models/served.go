package models

import (
	"context"
	"encoding/json"
)

// servedPolicy is which policy serves, by the digests of its sources.
type servedPolicy struct {
	Floor string `json:"floor"`
	House string `json:"house"`
}

// PolicyServes notes in the ledger which policy serves now, unless that is what its
// last such entry says.
func (s *Store) PolicyServes(ctx context.Context, by By, floor, house string) error {
	return s.change(ctx, by, "servePolicy", func(c *change) error {
		var last []Entry
		err := c.tx.Where("kind = 'change' and action = 'servePolicy'").Order("seq desc").Limit(1).Find(&last).Error
		if err != nil {
			return err
		}
		now := servedPolicy{Floor: floor, House: house}
		var before any
		if len(last) == 1 {
			var d struct {
				After servedPolicy `json:"after"`
			}
			if err := json.Unmarshal([]byte(last[0].Detail), &d); err == nil {
				before = d.After
			}
		}
		if before == now {
			return nil
		}
		return c.record(objectOfPolicy, before, now)
	})
}
