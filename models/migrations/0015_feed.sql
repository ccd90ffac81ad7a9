-- +goose Up
-- The event feed is read off the ledger: its changes are found without looking at the
-- decisions between them, and the policy that served last among them.
create index ledger_change_idx on ledger (seq) where kind = 'change';
create index ledger_served_idx on ledger (seq) where kind = 'change' and action = 'servePolicy';
