-- +goose Up
-- People: where they are sent back to, what they agreed to, and what hangs from it.
alter table clients add column redirect_uris text not null default '[]';
alter table clients add column token_endpoint_auth_method text not null default 'any';
