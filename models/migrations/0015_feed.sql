-- +goose Up
-- The event feed is read off the ledger: its changes are found without looking at the
-- decisions between them, and the policy that served last among them.
create index ledger_change_idx on ledger (seq) where kind = 'change';
create index ledger_served_idx on ledger (seq) where kind = 'change' and action = 'servePolicy';

-- Where events are pushed to (RFC 8935), for a resource server or for all.
create table event_receivers (
    id            text   not null constraint event_receivers_pk primary key,
    version       bigint not null,
    created_at    bigint not null,
    updated_at    bigint not null,
    resource_id   text   constraint event_receivers_resource_fk references resource_servers (id) on delete cascade, -- null: all events
    url           text   not null,
    position      text   not null, -- in the feed: all up to there was taken
    next_at       bigint not null, -- when to go on, at the earliest
    tries         bigint not null, -- that failed, of the next event
    failing_since bigint not null  -- 0: it is not
);
