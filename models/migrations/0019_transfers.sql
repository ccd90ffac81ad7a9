-- +goose Up
-- Somebody is asked to answer for a client from now on. Until they accept, nothing
-- changes.
create table transfers (
    id          text   not null constraint transfers_pk primary key,
    client_id   text   not null constraint transfers_client_fk references clients (id),
    from_id     text            constraint transfers_from_fk references users (id), -- who answered for it then; null: nobody
    to_id       text            constraint transfers_to_fk references users (id), -- null: nobody is called so, and nobody will answer
    named       text   not null, -- what whoever offers called them, '' if an administrator named the user
    offered_by  text   not null, -- the user, or the client that has none behind it
    state       text   not null, -- open | accepted | declined | cancelled | expired
    created_at  bigint not null,
    expires_at  bigint not null, -- until when it can be answered
    answered_at bigint not null  -- 0: it was not
);
-- At most one offer of a client is open.
create unique index transfers_open_idx on transfers (client_id) where state = 'open';
create index transfers_client_idx on transfers (client_id, id);
create index transfers_to_idx on transfers (to_id, id);
create index transfers_from_idx on transfers (from_id, id);
create index transfers_offered_idx on transfers (offered_by, created_at);
