-- +goose Up
-- What a person granted in one sitting, in the code that carries it to the client. A
-- code that was used stays: what it says holds for the refresh tokens that follow it.
create table codes (
    hash         text   not null constraint codes_pk primary key, -- SHA-256, in hex
    grant_id     text   not null constraint codes_grant_uq unique constraint codes_grant_fk references grants (id),
    client_id    text   not null constraint codes_client_fk references clients (id),
    redirect_uri text   not null, -- as it was sent, '' if it was not
    challenge    text   not null,
    scopes       text   not null, -- by the id of the resource server
    nonce        text   not null,
    session_id   text   not null,
    auth_time    bigint not null,
    acr          text   not null,
    amr          text   not null,
    created_at   bigint not null,
    expires_at   bigint not null,
    used_at      bigint not null -- 0 until it is
);

-- Each succeeds the one before it. All of one grant are a family, and end with it.
create table refresh_tokens (
    hash       text   not null constraint refresh_tokens_pk primary key,
    grant_id   text   not null constraint refresh_tokens_grant_fk references grants (id),
    client_id  text   not null constraint refresh_tokens_client_fk references clients (id),
    parent     text   not null, -- hash of the one it succeeded, '' of the first
    created_at bigint not null,
    expires_at bigint not null,
    used_at    bigint not null
);
create index refresh_tokens_grant_idx on refresh_tokens (grant_id);
