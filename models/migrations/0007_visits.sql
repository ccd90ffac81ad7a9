-- +goose Up
-- Clients that ask for a user, from when they ask until they are answered. What a
-- redirect brings back is an id of one of these, and never a fact.
create table visits (
    id          text   not null constraint visits_pk primary key,
    client_id   text   not null constraint visits_client_fk references clients (id),
    pushed_hash bytea, -- SHA-256 of the request_uri's secret; null: it was not pushed
    request     text   not null, -- JSON, as it was understood
    return_to   text   not null, -- where the answer goes; one of the client's
    sign_in     text   not null, -- JSON: why somebody must sign in, as policy last said
    session_id  text   not null, -- in which it was last asked about
    created_at  bigint not null,
    began_at    bigint not null, -- when somebody came with it; 0: it was only pushed
    expires_at  bigint not null,
    answered_at bigint not null -- 0 until it is
);
create index visits_expiry_idx on visits (expires_at);
