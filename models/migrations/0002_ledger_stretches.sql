-- +goose Up
-- Indexes of the ledger whose entries come in any order cost a page for every
-- row. These are kept by stretches of 256 rows: what is written lies close
-- together, and a reader looks into one stretch after the other.
drop index ledger_client_idx;
drop index ledger_subject_idx;
create index ledger_client_idx on ledger ((seq / 256), client_id);
create index ledger_subject_idx on ledger ((seq / 256), subject_id) where subject_id <> client_id;

-- A token's grant says whether it was ended; nothing need be looked up by it.
drop index tokens_grant_idx;
