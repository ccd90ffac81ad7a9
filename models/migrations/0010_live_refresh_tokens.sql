-- +goose Up
-- Whether anything of a family can still be used, however long it is.
create index refresh_tokens_live_idx on refresh_tokens (grant_id) where used_at = 0;
