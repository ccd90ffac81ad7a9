-- +goose Up
-- Where people come back to after they signed out, and who is told of it.
alter table clients add column post_logout_redirect_uris text not null default '[]';
