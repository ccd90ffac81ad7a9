-- +goose Up
-- What others are told is of several kinds now: that a session ended, that a person
-- is asked something, that they answered, and what came of it.
alter table outbox add column kind text not null default 'logout';
alter table outbox add column channel text not null default ''; -- by which a person is reached
alter table outbox add column ref text not null default '';     -- the approval it is about
alter table outbox add column payload bytea;                    -- sealed; null: there is none
alter table outbox add column ends_at bigint not null default 0; -- worth nothing from then on; 0: a day after it was made
create index outbox_ref_idx on outbox (ref) where ref <> '';

-- Browsers that show people what they are asked (Web Push).
create table subscriptions (
    id         text   not null constraint subscriptions_pk primary key,
    user_id    text   not null constraint subscriptions_user_fk references users (id),
    endpoint   text   not null constraint subscriptions_endpoint_key unique,
    p256dh     text   not null,
    auth       text   not null,
    device     text   not null,
    created_at bigint not null
);
create index subscriptions_user_idx on subscriptions (user_id);

-- As which this server is known to the push services of browsers (RFC 8292).
create table push_keys (
    id         text   not null constraint push_keys_pk primary key,
    public     text   not null,
    sealed     bytea  not null,
    created_at bigint not null
);

-- The language in which word reaches somebody.
create table word_settings (
    user_id    text   not null constraint word_settings_pk primary key constraint word_settings_user_fk references users (id),
    lang       text   not null,
    updated_at bigint not null
);
