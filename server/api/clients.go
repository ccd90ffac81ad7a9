package api

import (
	"context"
	"slices"

	"github.com/deputyauth/deputy/models"
)

func clientOf(c models.Client) Client {
	return Client{
		ID: c.ID, Version: c.Version, Kind: ClientKind(c.Kind), Name: c.Name, Purpose: c.Purpose, OwnerID: orEmpty(c.OwnerID),
		Sponsor: c.Sponsor, Status: PrincipalStatus(c.Status), ExpiresAt: at(c.ExpiresAt), Labels: labelsOf(c.Labels),
		GrantTypes: each(c.GrantTypes, same), DefaultScopes: each(c.DefaultScopes, refOf), MaxTTL: c.MaxTTL,
		RedirectURIs: each(c.RedirectURIs, same), PostLogoutRedirectURIs: each(c.PostLogoutURIs, same), BackchannelLogoutURI: c.BackchannelURI, TokenEndpointAuthMethod: c.AuthMethod,
		BackchannelTokenDeliveryMode: c.DeliveryMode, BackchannelClientNotificationEndpoint: c.NotificationEndpoint,
		SelfGrantID: c.SelfGrantID, CreatedAt: at(c.CreatedAt), UpdatedAt: at(c.UpdatedAt),
	}
}

// into writes all of the input but the kind, which never changes.
func (in ClientInput) into(c *models.Client) {
	c.Name, c.Purpose, c.OwnerID, c.Sponsor = in.Name, in.Purpose, optional(in.OwnerID), in.Sponsor
	c.ExpiresAt, c.Labels, c.MaxTTL = in.ExpiresAt.unix(), models.Labels(in.Labels), in.MaxTTL
	c.DefaultScopes = each(in.DefaultScopes, refInto)
	if in.GrantTypes != nil {
		c.GrantTypes = in.GrantTypes
	}
	c.RedirectURIs = each(in.RedirectURIs, same)
	c.PostLogoutURIs = each(in.PostLogoutRedirectURIs, same)
	c.BackchannelURI = in.BackchannelLogoutURI
	if in.TokenEndpointAuthMethod != "" {
		c.AuthMethod = in.TokenEndpointAuthMethod
	}
	if in.BackchannelTokenDeliveryMode != "" {
		c.DeliveryMode = in.BackchannelTokenDeliveryMode
	}
	c.NotificationEndpoint = in.BackchannelClientNotificationEndpoint
}

func labelsOf(l models.Labels) Labels {
	if l == nil {
		return Labels{}
	}
	return Labels(l)
}

func oneClient(c *models.Client) OneClientJSONResponse {
	return OneClientJSONResponse{Body: clientOf(*c), Headers: OneClientResponseHeaders{ETag: etag(c.Version)}}
}

func (s *server) ListClients(ctx context.Context, r ListClientsRequestObject) (ListClientsResponseObject, error) {
	p := r.Params
	if p.LabelValue != "" && p.Label == "" {
		return nil, malformed("label_value", "Needs label.")
	}
	var ends int64
	if !p.ExpiresBefore.IsZero() {
		ends = p.ExpiresBefore.Unix()
	}
	rows, next, err := s.Store.Clients(ctx, models.ClientFilter{
		Kind: string(p.Kind), Status: string(p.Status), OwnerID: p.OwnerID, Name: p.Name, RoleID: p.RoleID,
		Label: p.Label, LabelValue: p.LabelValue, Orphaned: p.Orphaned, ExpiresBefore: ends,
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	items, err := s.used(ctx, each(rows, clientOf))
	return ListClients200JSONResponse{Items: items, NextCursor: cursor(next)}, err
}

// used adds when clients last proved who they are.
func (s *server) used(ctx context.Context, clients []Client) ([]Client, error) {
	used, err := s.Store.LastUsed(ctx, each(clients, func(c Client) string { return c.ID }))
	for i := range clients {
		clients[i].LastUsedAt = at(used[clients[i].ID])
	}
	return clients, err
}

func (s *server) CreateClient(ctx context.Context, r CreateClientRequestObject) (CreateClientResponseObject, error) {
	c := &models.Client{Kind: string(r.Body.Kind)}
	r.Body.into(c)
	if err := s.Store.CreateClient(ctx, by(ctx), c); err != nil {
		return nil, err
	}
	return CreateClient201JSONResponse{NewClientJSONResponse{
		Body: clientOf(*c), Headers: NewClientResponseHeaders{ETag: etag(c.Version), Location: s.location("clients", c.ID)},
	}}, nil
}

func (s *server) GetClient(ctx context.Context, r GetClientRequestObject) (GetClientResponseObject, error) {
	c, err := s.Store.Client(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	one := oneClient(c)
	items, err := s.used(ctx, []Client{one.Body})
	if err != nil {
		return nil, err
	}
	one.Body = items[0]
	return GetClient200JSONResponse{one}, nil
}

func (s *server) UpdateClient(ctx context.Context, r UpdateClientRequestObject) (UpdateClientResponseObject, error) {
	edit := func(c *models.Client) {
		in := r.JSONBody.merge(clientOf(*c))
		in.into(c)
		c.ExpiresAt = in.ExpiresAt.orNever()
	}
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		if !r.JSONBody.names("expires_at", "owner_id") {
			return nil, nil
		}
		before, err := v.ClientRow(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		after := *before
		edit(&after)
		return newTerm(ctx, v, before, &after)
	})
	if err != nil {
		return nil, err
	}
	c, err := s.Store.UpdateClient(ctx, who, r.ID, version(r.Params.IfMatch), edit)
	if err != nil {
		return nil, err
	}
	return UpdateClient200JSONResponse{oneClient(c)}, nil
}

// newTerm is the amount of another expiry or owner. An earlier end is a stop; a
// later one, or somebody else to answer for it, may give a client back what it holds;
// and nobody asks who is put in charge like this.
func newTerm(ctx context.Context, v *models.View, before, after *models.Client) ([]string, error) {
	var scopes []string
	another := orEmpty(after.OwnerID) != orEmpty(before.OwnerID)
	if after.ExpiresAt > before.ExpiresAt || another {
		held, err := v.SelfScopes(ctx, before.ID)
		if err != nil {
			return nil, err
		}
		scopes = held
	}
	if another {
		scopes = append(scopes, assignsOwner)
	}
	if after.ExpiresAt < before.ExpiresAt && !slices.Contains(scopes, stopsClient) {
		scopes = append(scopes, stopsClient)
	}
	return scopes, nil
}

func (s *server) DeleteClient(ctx context.Context, r DeleteClientRequestObject) (DeleteClientResponseObject, error) {
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		_, err := v.ClientRow(ctx, r.ID)
		return []string{stopsClient}, err
	})
	if err != nil {
		return nil, err
	}
	return DeleteClient204Response{}, s.Store.DecommissionClient(ctx, who, r.ID, version(r.Params.IfMatch))
}

func (s *server) SuspendClient(ctx context.Context, r SuspendClientRequestObject) (SuspendClientResponseObject, error) {
	c, err := s.Store.SuspendClient(ctx, by(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return SuspendClient200JSONResponse{oneClient(c)}, nil
}

func (s *server) RestoreClient(ctx context.Context, r RestoreClientRequestObject) (RestoreClientResponseObject, error) {
	who, err := s.conferring(ctx, allOf(r.ID))
	if err != nil {
		return nil, err
	}
	c, err := s.Store.RestoreClient(ctx, who, r.ID)
	if err != nil {
		return nil, err
	}
	return RestoreClient200JSONResponse{oneClient(c)}, nil
}

func (s *server) ListEffectiveScopes(ctx context.Context, r ListEffectiveScopesRequestObject) (ListEffectiveScopesResponseObject, error) {
	rows, next, err := s.Store.EffectiveScopes(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListEffectiveScopes200JSONResponse{Items: each(rows, effectiveOf), NextCursor: cursor(next)}, nil
}

func effectiveOf(e models.EffectiveScope) EffectiveScope {
	return EffectiveScope{
		ResourceServerID: e.ResourceID, ResourceServer: e.Identifier, Scope: e.Scope, Risk: Risk(e.Risk),
		Roles: each(e.Roles, sourceOf),
	}
}
