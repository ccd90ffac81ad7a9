-- +goose Up
-- How people prove who they are. Nothing here lets anybody in who reads it:
-- passwords are argon2id, what Deputy made itself is SHA-256, and what it must
-- read again is sealed under the master key.

create table passwords (
    user_id    text   not null constraint passwords_pk primary key constraint passwords_user_fk references users (id),
    hash       text   not null, -- PHC form
    changed_at bigint not null
);

create table passkeys (
    id            text   not null constraint passkeys_pk primary key,
    user_id       text   not null constraint passkeys_user_fk references users (id),
    name          text   not null,
    credential_id text   not null constraint passkeys_credential_key unique, -- base64url
    record        text   not null, -- JSON: public key and what the authenticator said of itself
    sign_count    bigint not null,
    created_at    bigint not null,
    last_used_at  bigint not null,
    revoked_at    bigint not null
);
create index passkeys_user_idx on passkeys (user_id);

create table totp (
    user_id      text   not null constraint totp_pk primary key constraint totp_user_fk references users (id),
    sealed       bytea  not null,
    confirmed_at bigint not null,
    last_step    bigint not null -- of 30 seconds, whose code was used
);

create table sessions (
    id           text   not null constraint sessions_pk primary key,
    user_id      text   not null constraint sessions_user_fk references users (id),
    secret_hash  bytea  not null,
    created_at   bigint not null,
    last_seen_at bigint not null,
    auth_time    bigint not null,
    acr          text   not null,
    amr          text   not null,
    ip           text   not null,
    user_agent   text   not null,
    expires_at   bigint not null,
    revoked_at   bigint not null
);
create index sessions_user_idx on sessions (user_id);
create index sessions_expiry_idx on sessions (expires_at);

-- Links that work once: setup, invite, recover; and otp, the step between a
-- password and a second factor.
create table links (
    id         text   not null constraint links_pk primary key,
    purpose    text   not null,
    user_id    text   constraint links_user_fk references users (id), -- null: setup, before there is anybody
    token_hash bytea  not null,
    created_at bigint not null,
    expires_at bigint not null,
    used_at    bigint not null
);
create index links_user_idx on links (user_id);
create index links_expiry_idx on links (expires_at);
