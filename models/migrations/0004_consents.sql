-- +goose Up
-- People: where they are sent back to, what they agreed to, and what hangs from it.
alter table clients add column redirect_uris text not null default '[]';
alter table clients add column token_endpoint_auth_method text not null default 'any';

-- What a user lets a client do at a resource server. A row that ended stays ended:
-- whoever agrees anew gets another.
create table consents (
    id             text   not null constraint consents_pk primary key,
    client_id      text   not null constraint consents_client_fk references clients (id),
    subject_id     text   not null constraint consents_subject_fk references users (id),
    resource_id    text   not null constraint consents_resource_fk references resource_servers (id) on delete cascade,
    scopes         text   not null,
    redirects      text   not null, -- digest of where the client sent people back to
    preapproved_by text   not null, -- the administrator who agreed in the user's place, '' if nobody
    created_at     bigint not null,
    updated_at     bigint not null,
    expires_at     bigint not null,
    revoked_at     bigint not null
);
create index consents_subject_idx on consents (subject_id, client_id, resource_id);
create index consents_client_idx on consents (client_id);

-- Which consents a grant of a user rests on, one for each resource server it is for.
create table grant_consents (
    grant_id    text not null constraint grant_consents_grant_fk references grants (id),
    resource_id text not null,
    consent_id  text not null constraint grant_consents_consent_fk references consents (id) on delete cascade,
    constraint grant_consents_pk primary key (grant_id, resource_id)
);
