package models

import (
	"context"
	"time"
)

// Fall is what would end, or lose what it stands for, with something: tokens that
// are neither expired nor revoked, refresh tokens that were not used, and grants
// that have not ended. What is silent for another reason too is counted: it would
// stay silent when that reason goes.
type Fall struct {
	Tokens, RefreshTokens, Grants int64

	Approvals int64 // requests that wait for somebody's answer, and would be cancelled
	Offers    int64 // likewise, offers to answer for a client

	Left *int64 // of a credential: others that its client can prove itself with

	Owned   int64    // agents and applications a user answers for, which stop with them
	Holders []Holder // who holds the tokens, most of them first
}

// Holder is a client that holds some tokens.
type Holder struct {
	ClientID string
	Tokens   int64
}

func (f *Fall) count() *Fall {
	for _, h := range f.Holders {
		f.Tokens += h.Tokens
	}
	return f
}

// FallOfConsent tells what rests on a consent, at one resource server or several:
// of a grant that rests on others as well, what hangs from those goes on, and so does
// what waits for an answer.
func (s *Store) FallOfConsent(ctx context.Context, c *Consent) (*Fall, error) {
	f := &Fall{}
	if now := s.Now(); c.RevokedAt != 0 || c.ExpiresAt <= now { // that has happened
		return f, nil
	}
	err := s.openTokens(ctx, c.SubjectID, c.ClientID, c.ID).Select("t.client_id, count(*) as tokens").Group("t.client_id").
		Order("tokens desc, t.client_id").Scan(&f.Holders).Error
	if err != nil {
		return nil, wrap("fall of consent", err)
	}
	bound := map[string]any{"now": s.Now(), "user": c.SubjectID, "client": c.ClientID, "consent": c.ID}
	return f.count(), wrap("fall of consent", s.fallOfGrants(ctx, f, `with roots(id) as (
		select g.id from grants g where g.subject_id = @user and g.client_id = @client and g.subject_id <> g.client_id
			and g.revoked_at = 0 and g.expires_at > @now
			and exists (select 1 from grant_consents gc where gc.grant_id = g.id and gc.consent_id = @consent))`, bound))
}

// fallOfGrants counts the grants that roots names, and what would renew them.
func (s *Store) fallOfGrants(ctx context.Context, f *Fall, roots string, bound map[string]any) error {
	db := s.read.WithContext(ctx)
	if err := db.Raw(roots+" select count(*) from roots", bound).Scan(&f.Grants).Error; err != nil {
		return err
	}
	return db.Raw(roots+` select count(*) from roots join refresh_tokens r on r.grant_id = roots.id
		where r.used_at = 0 and r.expires_at > @now`, bound).Scan(&f.RefreshTokens).Error
}

// longestLife is more than an access token can live, with room for clocks.
const longestLife = 25 * time.Hour

// hanging is what hangs from a client, or from a user and the clients they answer
// for: the tokens they hold, those that speak for the user, and all that anybody
// exchanged from them. Nothing indexes tokens by client or grant, for which every
// token would pay: the ledger's entries name them, which are found by client in
// each stretch that is young enough. (SQLite does a cross join in the order written,
// and looks into the index of an expression only for what has no type, hence +.)
const hanging = `with recursive mine(id) as (
	select id from clients where id = @client or owner_id = @user
), roots(id) as (
	select g.id from grants g where g.client_id in (select id from mine) and g.revoked_at = 0 and g.expires_at > @now
	union
	select g.id from grants g where g.subject_id = @user and g.subject_id <> g.client_id and g.revoked_at = 0 and g.expires_at > @now
), stretches(n) as (
	select cast(@first as bigint) union all select n + 1 from stretches where n < @last
), fallen(id) as (
	select t.id from stretches cross join mine cross join ledger l cross join tokens t
	where (l.seq / 256) = +stretches.n and l.client_id = mine.id and l.kind = 'decision' and l.outcome = 'granted'
		and t.id = l.token_id and t.client_id = mine.id and t.revoked_at = 0 and t.expires_at > @now
	union
	select t.id from tokens t
	where t.subject_id = @user and substr(t.subject_id, 1, 4) = 'usr_' and t.revoked_at = 0 and t.expires_at > @now
	union
	select t.id from fallen cross join tokens t
	where t.parent_id = fallen.id and t.parent_id <> '' and t.revoked_at = 0 and t.expires_at > @now
)`

// FallOf tells what hangs from a client, or from a user with all that they own.
func (s *Store) FallOf(ctx context.Context, id string) (*Fall, error) {
	f := &Fall{}
	bound, err := s.hangingFrom(ctx, id)
	if err != nil {
		return nil, wrap("fall", err)
	}
	db := s.read.WithContext(ctx)
	if err := db.Model(&Client{}).Where("owner_id = ? and status = ?", bound["user"], StatusActive).Count(&f.Owned).Error; err != nil {
		return nil, wrap("fall", err)
	}
	if err := db.Model(&Approval{}).Where(pendingOf, bindPending(id, s.Now())).Count(&f.Approvals).Error; err != nil {
		return nil, wrap("fall", err)
	}
	if err := db.Model(&Transfer{}).Where(openOffersOf, bindPending(id, s.Now())).Where("expires_at > ?", s.Now()).Count(&f.Offers).Error; err != nil {
		return nil, wrap("fall", err)
	}
	err = db.Raw(hanging+` select t.client_id, count(*) as tokens from fallen join tokens t on t.id = fallen.id join grants g on g.id = t.grant_id
		where g.revoked_at = 0 and g.expires_at > @now group by t.client_id order by tokens desc, t.client_id`, bound).Scan(&f.Holders).Error
	if err != nil {
		return nil, wrap("fall", err)
	}
	return f.count(), wrap("fall", s.fallOfGrants(ctx, f, hanging, bound))
}

// hangingFrom is what hanging is asked with: of whom, and how far back it looks.
// What a head had counted that was signed so long ago has expired.
func (s *Store) hangingFrom(ctx context.Context, id string) (map[string]any, error) {
	bound := map[string]any{"now": s.Now(), "user": "", "client": id}
	if HasPrefix(id, PrefixUser) {
		bound["user"], bound["client"] = id, ""
	}
	var old, size int64
	db, before := s.read.WithContext(ctx), s.now().Add(-longestLife).UnixMilli()
	if err := db.Raw("select size from ledger_heads where at < ? order by size desc limit 1", before).Scan(&old).Error; err != nil {
		return nil, err
	}
	err := db.Model(&Head{}).Select("size").Scan(&size).Error
	bound["first"], bound["last"] = old/stretch, size/stretch
	return bound, err
}
