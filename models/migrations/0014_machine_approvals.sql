-- +goose Up
-- What a person allowed a machine to ask for by itself, once: its next token request
-- brings the approval and uses it up.
alter table approvals add column granted text not null default '{}'; -- scopes and details by resource server
alter table approvals add column approved_until bigint not null default 0;
alter table approvals add column used_at bigint not null default 0;
alter table approvals add column token_id text not null default ''; -- what was issued for it
