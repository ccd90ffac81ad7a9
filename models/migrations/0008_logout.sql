-- +goose Up
-- Where people come back to after they signed out, and who is told of it.
alter table clients add column post_logout_redirect_uris text not null default '[]';
alter table clients add column backchannel_logout_uri text not null default '';
create index codes_session_idx on codes (session_id) where session_id <> '';

-- What is yet to be told to others, written with what it tells of and sent later,
-- so that neither is without the other.
create table outbox (
    id         text   not null constraint outbox_pk primary key,
    client_id  text   not null constraint outbox_client_fk references clients (id),
    subject_id text   not null,
    session_id text   not null, -- the one that ended
    url        text   not null,
    created_at bigint not null,
    next_at    bigint not null, -- when to try, or try again
    tries      bigint not null
);
create index outbox_next_idx on outbox (next_at);
