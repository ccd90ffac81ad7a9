package models

import (
	"context"
	"time"
)

// FallOfToken tells what was exchanged from a token, and from that, with the token itself.
func (s *Store) FallOfToken(ctx context.Context, id string) (*Fall, error) {
	f := &Fall{}
	err := s.read.WithContext(ctx).Raw(below+` select t.client_id, count(*) as tokens from fallen join tokens t on t.id = fallen.id join grants g on g.id = t.grant_id
		where t.revoked_at = 0 and t.expires_at > @now and g.revoked_at = 0 and g.expires_at > @now group by t.client_id order by tokens desc, t.client_id`,
		map[string]any{"token": id, "now": s.Now()}).Scan(&f.Holders).Error
	return f.count(), wrap("fall of token", err)
}

// FallOfGrant tells what hangs from a grant.
func (s *Store) FallOfGrant(ctx context.Context, g *Grant) (*Fall, error) {
	f := &Fall{}
	if g.RevokedAt != 0 || g.ExpiresAt <= s.Now() { // that has happened
		return f, nil
	}
	bound, err := s.hangingFrom(ctx, g.SubjectID)
	if err != nil {
		return nil, wrap("fall of grant", err)
	}
	bound["grant"] = g.ID
	err = s.read.WithContext(ctx).Raw(hanging+` select t.client_id, count(*) as tokens from fallen join tokens t on t.id = fallen.id
		where t.grant_id = @grant group by t.client_id order by tokens desc, t.client_id`, bound).Scan(&f.Holders).Error
	if err != nil {
		return nil, wrap("fall of grant", err)
	}
	return f.count(), wrap("fall of grant", s.fallOfGrants(ctx, f, "with roots(id) as (select cast(@grant as text))", bound))
}

// FallOfApproval tells what CancelApproval would end.
func (s *Store) FallOfApproval(ctx context.Context, a *Approval) (*Fall, error) {
	switch state := a.Now(s.Now()); {
	case state == ApprovalUsed:
		return s.FallOfToken(ctx, a.TokenID)
	case state == ApprovalApproved && a.GrantID != "":
		g, err := s.Grant(ctx, a.GrantID)
		if err != nil {
			return nil, err
		}
		return s.FallOfGrant(ctx, g)
	case state == ApprovalPending, state == ApprovalApproved && a.ApprovedUntil > s.Now():
		return &Fall{Approvals: 1}, nil
	}
	return &Fall{}, nil
}

// FallOfResource tells which tokens a resource server would have to refuse. What was
// exchanged from them for others stays. It reads all tokens of a day.
func (s *Store) FallOfResource(ctx context.Context, id string) (*Fall, error) {
	f := &Fall{}
	err := s.read.WithContext(ctx).Raw(`select t.client_id, count(*) as tokens from tokens t join grants g on g.id = t.grant_id
		where t.id > @first and t.resource_id = @resource and t.revoked_at = 0 and t.expires_at > @now and g.revoked_at = 0 and g.expires_at > @now
		group by t.client_id order by tokens desc, t.client_id`,
		map[string]any{"resource": id, "now": s.Now(), "first": firstID(PrefixToken, s.now().Add(-longestLife))}).Scan(&f.Holders).Error
	return f.count(), wrap("fall of resource server", err)
}

// FallOfCredential tells by what else its client can prove who it is. The tokens that it
// got stay: they hang from its grant.
func (s *Store) FallOfCredential(ctx context.Context, c *Credential) (*Fall, error) {
	var left int64
	err := s.read.WithContext(ctx).Model(&Credential{}).Where("client_id = ? and id <> ? and revoked_at = 0 and expires_at > ?", c.ClientID, c.ID, s.Now()).Count(&left).Error
	return &Fall{Left: &left}, wrap("fall of credential", err)
}

// firstID is below every id that was made since a moment.
func firstID(prefix string, at time.Time) string {
	var u [16]byte
	ms := at.UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	return prefix + "_" + idEncoding.EncodeToString(u[:])
}
