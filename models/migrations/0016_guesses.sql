-- +goose Up
-- How often something that can be guessed was guessed at: passwords and codes of
-- people. All replicas count together. What a state means is its purpose's own.
create table guesses (
    purpose text   not null,
    name    text   not null,
    state   bigint not null,
    constraint guesses_pk primary key (purpose, name)
);
