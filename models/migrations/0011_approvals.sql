-- +goose Up
-- What clients ask of people who are not at a page of theirs: by CIBA, from a device,
-- and, in other grants, for what is risky. It is answered once, and carried out once.
create table approvals (
    id                 text   not null constraint approvals_pk primary key,
    kind               text   not null, -- ciba | device | consent
    client_id          text   not null constraint approvals_client_fk references clients (id),
    subject_id         text   not null, -- who is asked; '' until somebody types a device's code
    request            text   not null, -- JSON, as it was understood
    digest             text   not null, -- SHA-256 of all that was asked
    hash               text   not null constraint approvals_hash_uq unique, -- of auth_req_id or device_code
    user_code_hash     text, -- of the code that a device shows
    compare_code       text   not null, -- shown at both ends
    delivery           text   not null, -- poll | ping | push
    notification_token bytea, -- of the client, sealed
    state              text   not null, -- pending | approved | denied | cancelled
    reported           bigint not null, -- 1: whoever denied it said that something is wrong with it
    ip                 text   not null,
    user_agent         text   not null,
    grant_id           text   not null, -- what began with it, '' while nothing did
    created_at         bigint not null,
    expires_at         bigint not null, -- until when it waits for an answer
    answered_at        bigint not null
);
create unique index approvals_user_code_idx on approvals (user_code_hash) where user_code_hash is not null;
create index approvals_subject_idx on approvals (subject_id, created_at);
create index approvals_client_idx on approvals (client_id, created_at);
create index approvals_expiry_idx on approvals (expires_at);

-- Whom a client may ask though nothing is between them yet: users, and members of groups.
create table acquaintances (
    client_id    text   not null constraint acquaintances_client_fk references clients (id),
    principal_id text   not null,
    created_at   bigint not null,
    constraint acquaintances_pk primary key (client_id, principal_id)
);

-- Without this code, which a user tells agents they trust, nobody asks them anything.
create table user_codes (
    user_id    text   not null constraint user_codes_pk primary key constraint user_codes_user_fk references users (id) on delete cascade,
    mark       text   not null, -- HMAC of the code under a key of the server's
    updated_at bigint not null
);

-- What a user answered to one request counts for that alone.
alter table consents add column approval_id text not null default '';

alter table clients add column backchannel_token_delivery_mode text not null default 'poll';
alter table clients add column backchannel_client_notification_endpoint text not null default '';
