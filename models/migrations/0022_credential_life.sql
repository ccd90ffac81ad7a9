-- +goose Up
-- When a credential was meant to end, as it was made: a rotation brings its own end
-- nearer. 0: an older release made it, and did not say.
alter table credentials add column meant_until bigint not null default 0;
