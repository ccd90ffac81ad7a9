package api

import (
	"context"

	"github.com/deputyauth/deputy/models"
)

func groupOf(g models.Group) Group {
	return Group{
		ID: g.ID, Version: g.Version, Name: g.Name, Description: g.Description, CreatedAt: at(g.CreatedAt), UpdatedAt: at(g.UpdatedAt),
	}
}

func (in GroupInput) into(g *models.Group) { g.Name, g.Description = in.Name, in.Description }

func oneGroup(g *models.Group) OneGroupJSONResponse {
	return OneGroupJSONResponse{Body: groupOf(*g), Headers: OneGroupResponseHeaders{ETag: etag(g.Version)}}
}

func (s *server) ListGroups(ctx context.Context, r ListGroupsRequestObject) (ListGroupsResponseObject, error) {
	rows, next, err := s.Store.Groups(ctx, r.Params.Name, r.Params.MemberID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListGroups200JSONResponse{Items: each(rows, groupOf), NextCursor: cursor(next)}, nil
}

func (s *server) CreateGroup(ctx context.Context, r CreateGroupRequestObject) (CreateGroupResponseObject, error) {
	g := &models.Group{}
	r.Body.into(g)
	if err := s.Store.CreateGroup(ctx, by(ctx), g); err != nil {
		return nil, err
	}
	return CreateGroup201JSONResponse{NewGroupJSONResponse{
		Body: groupOf(*g), Headers: NewGroupResponseHeaders{ETag: etag(g.Version), Location: s.location("groups", g.ID)},
	}}, nil
}

func (s *server) GetGroup(ctx context.Context, r GetGroupRequestObject) (GetGroupResponseObject, error) {
	g, err := s.Store.Group(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetGroup200JSONResponse{oneGroup(g)}, nil
}

func (s *server) UpdateGroup(ctx context.Context, r UpdateGroupRequestObject) (UpdateGroupResponseObject, error) {
	g, err := s.Store.UpdateGroup(ctx, by(ctx), r.ID, version(r.Params.IfMatch), func(g *models.Group) {
		r.JSONBody.merge(groupOf(*g)).into(g)
	})
	if err != nil {
		return nil, err
	}
	return UpdateGroup200JSONResponse{oneGroup(g)}, nil
}

func (s *server) DeleteGroup(ctx context.Context, r DeleteGroupRequestObject) (DeleteGroupResponseObject, error) {
	return DeleteGroup204Response{}, s.Store.DeleteGroup(ctx, by(ctx), r.ID, version(r.Params.IfMatch))
}

func (s *server) ListGroupMembers(ctx context.Context, r ListGroupMembersRequestObject) (ListGroupMembersResponseObject, error) {
	rows, next, err := s.Store.GroupMembers(ctx, r.ID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListGroupMembers200JSONResponse{Items: each(rows, func(m models.GroupMember) GroupMember {
		return GroupMember(m)
	}), NextCursor: cursor(next)}, nil
}

func (s *server) AddGroupMember(ctx context.Context, r AddGroupMemberRequestObject) (AddGroupMemberResponseObject, error) {
	who, err := s.conferring(ctx, allOf(r.ID))
	if err != nil {
		return nil, err
	}
	return AddGroupMember204Response{}, s.Store.AddGroupMember(ctx, who, r.ID, r.MemberID)
}

func (s *server) RemoveGroupMember(ctx context.Context, r RemoveGroupMemberRequestObject) (RemoveGroupMemberResponseObject, error) {
	return RemoveGroupMember204Response{}, s.Store.RemoveGroupMember(ctx, by(ctx), r.ID, r.MemberID)
}
