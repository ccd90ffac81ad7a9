-- +goose Up
-- Word to a person may be of nothing that a client has: of their own session, say. The
-- outbox is made anew, because SQLite cannot take a reference out of a table. Its columns stay
-- what they were to the release before, in their order. To drop an index locks the table on
-- Postgres: what a running replica writes meanwhile waits, and is not lost.
drop index outbox_ref_idx;
drop index outbox_next_idx;
create table outbox_before as select * from outbox;
drop table outbox;
create table outbox (
    id         text   not null constraint outbox_pk primary key,
    client_id  text   not null, -- '': it is of no client
    subject_id text   not null,
    session_id text   not null, -- the one that ended
    url        text   not null,
    created_at bigint not null,
    next_at    bigint not null, -- when to try, or try again
    tries      bigint not null,
    kind       text   not null default 'logout',
    channel    text   not null default '', -- by which a person is reached
    ref        text   not null default '', -- what it is about
    payload    bytea,                      -- sealed; null: there is none
    ends_at    bigint not null default 0,  -- worth nothing from then on; 0: a day after it was made
    told_as    text   not null default ''  -- as what somebody is told
);
insert into outbox (id, client_id, subject_id, session_id, url, created_at, next_at, tries, kind, channel, ref, payload, ends_at, told_as)
    select id, client_id, subject_id, session_id, url, created_at, next_at, tries, kind, channel, ref, payload, ends_at, told_as from outbox_before;
drop table outbox_before;
create index outbox_next_idx on outbox (next_at);
create index outbox_ref_idx on outbox (ref) where ref <> '';
