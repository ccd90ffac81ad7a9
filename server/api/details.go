package api

import (
	"context"
	"encoding/json"

	"github.com/deputyauth/deputy/models"
)

func detailTypeOf(d models.DetailType) DetailType {
	out := DetailType{ResourceServerID: d.ResourceID, Type: d.Name, Scope: d.Scope, Risk: Risk(d.Risk), Template: d.Template, Narrow: d.Narrow}
	_ = json.Unmarshal([]byte(d.Schema), &out.Schema) // which was checked when it was stored
	return out
}

func (s *server) ListDetailTypes(ctx context.Context, r ListDetailTypesRequestObject) (ListDetailTypesResponseObject, error) {
	rows, next, err := s.Store.DetailTypes(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListDetailTypes200JSONResponse{Items: each(rows, detailTypeOf), NextCursor: cursor(next)}, nil
}

func (s *server) GetDetailType(ctx context.Context, r GetDetailTypeRequestObject) (GetDetailTypeResponseObject, error) {
	row, err := s.Store.DetailType(ctx, r.ID, r.Type)
	if err != nil {
		return nil, err
	}
	return GetDetailType200JSONResponse(detailTypeOf(*row)), nil
}

func (s *server) PutDetailType(ctx context.Context, r PutDetailTypeRequestObject) (PutDetailTypeResponseObject, error) {
	schema, err := json.Marshal(r.Body.Schema)
	if err != nil {
		return nil, err
	}
	d := &models.DetailType{
		ResourceID: r.ID, Name: r.Type, Scope: r.Body.Scope, Risk: string(r.Body.Risk), Schema: string(schema),
		Template: r.Body.Template, Narrow: r.Body.Narrow,
	}
	created, err := s.Store.PutDetailType(ctx, by(ctx), d)
	switch {
	case err != nil:
		return nil, err
	case created:
		headers := PutDetailType201ResponseHeaders{Location: s.location("resource-servers", d.ResourceID, "detail-types", d.Name)}
		return PutDetailType201JSONResponse{Body: detailTypeOf(*d), Headers: headers}, nil
	default:
		return PutDetailType200JSONResponse(detailTypeOf(*d)), nil
	}
}

func (s *server) DeleteDetailType(ctx context.Context, r DeleteDetailTypeRequestObject) (DeleteDetailTypeResponseObject, error) {
	return DeleteDetailType204Response{}, s.Store.DeleteDetailType(ctx, by(ctx), r.ID, r.Type)
}
