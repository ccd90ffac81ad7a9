package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

func roleOf(r models.Role) Role {
	return Role{
		ID: r.ID, Version: r.Version, Name: r.Name, Description: r.Description, Scopes: each(r.Scopes, refOf),
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt),
	}
}

func (in RoleInput) into(r *models.Role) {
	r.Name, r.Description, r.Scopes = in.Name, in.Description, each(in.Scopes, refInto)
}

func oneRole(r *models.Role) OneRoleJSONResponse {
	return OneRoleJSONResponse{Body: roleOf(*r), Headers: OneRoleResponseHeaders{ETag: etag(r.Version)}}
}

func (s *server) ListRoles(ctx context.Context, r ListRolesRequestObject) (ListRolesResponseObject, error) {
	rows, next, err := s.Store.Roles(ctx, r.Params.Name, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListRoles200JSONResponse{Items: each(rows, roleOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateRole(ctx context.Context, r CreateRoleRequestObject) (CreateRoleResponseObject, error) {
	role := &models.Role{}
	r.Body.into(role)
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		return added(ctx, v, nil, role.Scopes)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Store.CreateRole(ctx, who, role); err != nil {
		return nil, err
	}
	return CreateRole201JSONResponse{NewRoleJSONResponse{
		Body: roleOf(*role), Headers: NewRoleResponseHeaders{ETag: etag(role.Version), Location: s.location("roles", role.ID)},
	}}, nil
}

func (s *server) GetRole(ctx context.Context, r GetRoleRequestObject) (GetRoleResponseObject, error) {
	role, err := s.Store.Role(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetRole200JSONResponse{oneRole(role)}, nil
}

func (s *server) UpdateRole(ctx context.Context, r UpdateRoleRequestObject) (UpdateRoleResponseObject, error) {
	edit := func(role *models.Role) { r.JSONBody.merge(roleOf(*role)).into(role) }
	who, err := s.conferring(ctx, func(ctx context.Context, v *models.View) ([]string, error) {
		if !r.JSONBody.names("scopes") {
			return nil, nil
		}
		before, err := v.RoleRow(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		after := *before
		edit(&after)
		return added(ctx, v, before.Scopes, after.Scopes)
	})
	if err != nil {
		return nil, err
	}
	role, err := s.Store.UpdateRole(ctx, who, r.ID, version(r.Params.IfMatch), edit)
	if err != nil {
		return nil, err
	}
	return UpdateRole200JSONResponse{oneRole(role)}, nil
}

func (s *server) DeleteRole(ctx context.Context, r DeleteRoleRequestObject) (DeleteRoleResponseObject, error) {
	return DeleteRole204Response{}, s.Store.DeleteRole(ctx, by(ctx), r.ID, version(r.Params.IfMatch))
}

func assignmentOf(a models.Assignment) Assignment {
	return Assignment{ID: a.ID, RoleID: a.RoleID, PrincipalID: a.PrincipalID, CreatedAt: at(a.CreatedAt)}
}

func (s *server) ListAssignments(ctx context.Context, r ListAssignmentsRequestObject) (ListAssignmentsResponseObject, error) {
	rows, next, err := s.Store.Assignments(ctx, r.Params.RoleID, r.Params.PrincipalID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListAssignments200JSONResponse{Items: each(rows, assignmentOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateAssignment(ctx context.Context, r CreateAssignmentRequestObject) (CreateAssignmentResponseObject, error) {
	a := &models.Assignment{RoleID: r.Body.RoleID, PrincipalID: r.Body.PrincipalID}
	who, err := s.conferring(ctx, allOf(a.RoleID))
	if err != nil {
		return nil, err
	}
	if err := s.Store.CreateAssignment(ctx, who, a); err != nil {
		return nil, err
	}
	return CreateAssignment201JSONResponse{
		Body: assignmentOf(*a), Headers: CreateAssignment201ResponseHeaders{Location: s.location("assignments", a.ID)},
	}, nil
}

func (s *server) DeleteAssignment(ctx context.Context, r DeleteAssignmentRequestObject) (DeleteAssignmentResponseObject, error) {
	return DeleteAssignment204Response{}, s.Store.DeleteAssignment(ctx, by(ctx), r.ID)
}
