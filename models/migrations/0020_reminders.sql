-- +goose Up
-- What was told of the end of something: of a client, or of a credential. Another end
-- is told of anew.
create table reminders (
    thing   text   not null,
    ends_at bigint not null,
    days    bigint not null, -- before the end, at the most
    told_at bigint not null,
    constraint reminders_pk primary key (thing, ends_at, days)
);

-- As what somebody is told: owner, person, administrator or operator; '' while that is
-- not known, and where it needs no saying.
alter table outbox add column told_as text not null default '';
