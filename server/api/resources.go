package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

func resourceOf(r models.ResourceServer) ResourceServer {
	return ResourceServer{
		ID: r.ID, Version: r.Version, Identifier: r.Identifier, Name: r.Name, Description: r.Description, OperatorID: orEmpty(r.OperatorID),
		Status: ResourceStatus(r.Status), TokenTTL: r.TokenTTL, MaxDepth: r.MaxDepth, CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
	}
}

// into writes what may change of a resource server.
func (in ResourceServer) into(r *models.ResourceServer) {
	r.Name, r.Description, r.OperatorID = in.Name, in.Description, optional(in.OperatorID)
	r.Status, r.TokenTTL, r.MaxDepth = string(in.Status), in.TokenTTL, in.MaxDepth
}

func oneResource(r *models.ResourceServer) OneResourceServerJSONResponse {
	return OneResourceServerJSONResponse{Body: resourceOf(*r), Headers: OneResourceServerResponseHeaders{ETag: etag(r.Version)}}
}

func (s *server) ListResourceServers(ctx context.Context, r ListResourceServersRequestObject) (ListResourceServersResponseObject, error) {
	p := r.Params
	identifier := p.Identifier
	if canonical, err := models.CanonicalURI(identifier); err == nil {
		identifier = canonical
	}
	rows, next, err := s.Store.ResourceServers(ctx, models.ResourceFilter{
		Name: p.Name, Identifier: identifier, Status: string(p.Status), OperatorID: p.OperatorID,
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListResourceServers200JSONResponse{Items: each(rows, resourceOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateResourceServer(ctx context.Context, r CreateResourceServerRequestObject) (CreateResourceServerResponseObject, error) {
	in := r.Body
	row := &models.ResourceServer{
		Identifier: in.Identifier, Name: in.Name, Description: in.Description, OperatorID: optional(in.OperatorID),
		TokenTTL: in.TokenTTL,
	}
	switch {
	case in.MaxDepth == nil:
	case *in.MaxDepth == 0:
		row.MaxDepth = models.NoActors
	default:
		row.MaxDepth = *in.MaxDepth
	}
	if err := s.Store.CreateResourceServer(ctx, by(ctx), row); err != nil {
		return nil, err
	}
	return CreateResourceServer201JSONResponse{NewResourceServerJSONResponse{
		Body: resourceOf(*row), Headers: NewResourceServerResponseHeaders{ETag: etag(row.Version), Location: s.location("resource-servers", row.ID)},
	}}, nil
}

func (s *server) GetResourceServer(ctx context.Context, r GetResourceServerRequestObject) (GetResourceServerResponseObject, error) {
	row, err := s.Store.ResourceServer(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetResourceServer200JSONResponse{oneResource(row)}, nil
}

func (s *server) UpdateResourceServer(ctx context.Context, r UpdateResourceServerRequestObject) (UpdateResourceServerResponseObject, error) {
	edit := func(row *models.ResourceServer) { r.JSONBody.merge(resourceOf(*row)).into(row) }
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		if !r.JSONBody.names("operator_id") || r.ID == models.SelfID || r.ID == models.OpenIDID { // which never have an operator
			return nil, nil
		}
		before, err := v.ResourceRow(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		after := *before
		edit(&after)
		if orEmpty(after.OperatorID) == orEmpty(before.OperatorID) {
			return nil, nil
		}
		return []string{movesService}, nil // whoever is the service sees its tokens and exchanges them
	})
	if err != nil {
		return nil, err
	}
	row, err := s.Store.UpdateResourceServer(ctx, who, r.ID, version(r.Params.IfMatch), edit)
	if err != nil {
		return nil, err
	}
	return UpdateResourceServer200JSONResponse{oneResource(row)}, nil
}

func (s *server) DeleteResourceServer(ctx context.Context, r DeleteResourceServerRequestObject) (DeleteResourceServerResponseObject, error) {
	return DeleteResourceServer204Response{}, s.Store.DeleteResourceServer(ctx, by(ctx), r.ID, version(r.Params.IfMatch))
}

func scopeOf(sc models.Scope) Scope {
	return Scope{
		ResourceServerID: sc.ResourceID, Name: sc.Name, Description: sc.Description, Risk: Risk(sc.Risk), Downstream: each(sc.Downstream, refOf),
	}
}

func (s *server) ListScopes(ctx context.Context, r ListScopesRequestObject) (ListScopesResponseObject, error) {
	rows, next, err := s.Store.Scopes(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListScopes200JSONResponse{Items: each(rows, scopeOf), NextCursor: cursor(next)}, nil
}

func (s *server) PutScope(ctx context.Context, r PutScopeRequestObject) (PutScopeResponseObject, error) {
	sc := &models.Scope{
		ResourceID: r.ID, Name: r.Name, Description: r.Body.Description, Risk: string(r.Body.Risk), Downstream: each(r.Body.Downstream, refInto),
	}
	created, err := s.Store.PutScope(ctx, by(ctx), sc)
	switch {
	case err != nil:
		return nil, err
	case created:
		headers := PutScope201ResponseHeaders{Location: s.location("resource-servers", sc.ResourceID, "scopes", sc.Name)}
		return PutScope201JSONResponse{Body: scopeOf(*sc), Headers: headers}, nil
	default:
		return PutScope200JSONResponse(scopeOf(*sc)), nil
	}
}

func (s *server) DeleteScope(ctx context.Context, r DeleteScopeRequestObject) (DeleteScopeResponseObject, error) {
	return DeleteScope204Response{}, s.Store.DeleteScope(ctx, by(ctx), r.ID, r.Name)
}
