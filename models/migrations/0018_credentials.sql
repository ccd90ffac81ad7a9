-- +goose Up
-- A secret that was found somewhere is looked up by its hash.
create index credentials_secret_idx on credentials (secret_hash) where secret_hash is not null;

-- Keys of a client may be at an address, where it changes them by itself.
alter table credentials add column jwks_uri text not null default '';
