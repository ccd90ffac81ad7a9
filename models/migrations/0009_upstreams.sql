-- +goose Up
-- Providers of OpenID Connect that people may sign in with, and who is who there.

create table upstreams (
    id         text   not null constraint upstreams_pk primary key,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    name       text   not null,
    issuer     text   not null constraint upstreams_issuer_key unique,
    client_id  text   not null,
    sealed     bytea,          -- the client secret, under the master key; null: there is none
    scopes     text   not null, -- JSON
    acr_values text   not null, -- JSON
    status     text   not null
);

create table identities (
    id           text   not null constraint identities_pk primary key,
    user_id      text   not null constraint identities_user_fk references users (id),
    issuer       text   not null,
    subject      text   not null,
    created_at   bigint not null,
    last_used_at bigint not null,
    constraint identities_subject_key unique (issuer, subject)
);
create index identities_user_idx on identities (user_id);

alter table sessions add column upstream_id text not null default '';
