-- +goose Up
-- What hangs from a person is looked up by the person, on the pages of their
-- account. Tokens of agents are not in the index: they would pay for it.
create index tokens_subject_idx on tokens (subject_id, client_id) where substr(subject_id, 1, 4) = 'usr_';
create index grants_subject_idx on grants (subject_id, client_id) where subject_id <> client_id;
