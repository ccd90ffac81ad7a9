-- +goose Up
-- What refresh tokens and user codes are derived from. It outlives every master key,
-- so it is no longer drawn from one; it is sealed under it. There is one row.
create table derivation_keys (
    id         text   not null constraint derivation_keys_pk primary key,
    sealed     bytea  not null,
    created_at bigint not null
);

-- Changes up to this epoch are forgotten: whoever has not read them begins anew.
alter table ledger_head add column forgotten bigint not null default 0;
-- How often facts were removed: what a process remembers to be stored holds for one count.
alter table ledger_head add column pruned bigint not null default 0;
