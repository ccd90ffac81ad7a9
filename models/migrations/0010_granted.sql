-- +goose Up
-- Whether anything of a family can still be used, however long it is.
create index refresh_tokens_live_idx on refresh_tokens (grant_id) where used_at = 0;

-- What others did about what people agreed to, which is told to those people. Rows of
-- tokens are not in it: they would pay for it.
create index ledger_agreed_idx on ledger ((seq / 256)) where kind = 'change' and action in ('preapproveConsent', 'revokeConsent');
