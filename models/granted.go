package models

import (
	"context"

	"gorm.io/gorm"
)

// grantsAtOnce bounds how many grants one transaction of PurgeGranted clears away.
const grantsAtOnce = 100

// PurgeGranted forgets codes and refresh tokens that nobody needs since before a
// moment, and tells of how many grants they were. As long as anything of a grant
// can be used, all of it stays, used ones too: they show when one is replayed, and
// the code says what the others are worth. A grant whose code was never redeemed
// goes with it. The ledger still knows it.
//
// The moment must lie further back than an access token lives: of those that hang
// from a grant no account is taken.
func (s *Store) PurgeGranted(ctx context.Context, moment int64) (int, error) {
	forgotten := 0
	for {
		quiet, err := s.quietGrants(ctx, moment)
		if err != nil || len(quiet) == 0 {
			return forgotten, wrap("purge codes", err)
		}
		if err := s.write.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return forgetGranted(tx, quiet) }); err != nil {
			return forgotten, wrap("purge codes", err)
		}
		forgotten += len(quiet)
	}
}

// quietGrants are the codes of some of the grants that have ended, or of which neither
// the code nor a refresh token can be used or was used, since before a moment.
func (s *Store) quietGrants(ctx context.Context, moment int64) (codes []Code, err error) {
	err = s.read.WithContext(ctx).Raw(`select c.grant_id, c.used_at from codes c join grants g on g.id = c.grant_id
		where c.expires_at < @moment and c.used_at < @moment and (
			g.revoked_at <> 0 and g.revoked_at < @moment or g.expires_at < @moment
			or not exists (select 1 from refresh_tokens r where r.grant_id = c.grant_id and r.used_at = 0 and r.expires_at >= @moment)
			and not exists (select 1 from refresh_tokens r where r.grant_id = c.grant_id and r.used_at >= @moment))
		limit @most`, map[string]any{"moment": moment, "most": grantsAtOnce}).Scan(&codes).Error
	return codes, err
}

func forgetGranted(tx *gorm.DB, codes []Code) error {
	var all, unredeemed []string
	for _, c := range codes {
		all = append(all, c.GrantID)
		if c.UsedAt == 0 {
			unredeemed = append(unredeemed, c.GrantID)
		}
	}
	for _, one := range []struct {
		query string
		ids   []string
	}{
		{"delete from refresh_tokens where grant_id in ?", all},
		{"delete from codes where grant_id in ?", all},
		{"delete from grant_consents where grant_id in ?", unredeemed}, // there is no token under these
		{"delete from grants where id in ?", unredeemed},
	} {
		if err := tx.Exec(one.query, one.ids).Error; err != nil {
			return err
		}
	}
	return nil
}
