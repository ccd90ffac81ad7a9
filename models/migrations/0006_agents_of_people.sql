-- +goose Up
-- What hangs from a person is looked up by the person, on the pages of their
-- account. Clients who act for themselves are not in these indexes.
create index tokens_subject_idx on tokens (subject_id, client_id) where subject_id <> client_id;
create index grants_subject_idx on grants (subject_id, client_id) where subject_id <> client_id;
