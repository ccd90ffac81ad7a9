-- +goose Up
-- Types of authorization details (RFC 9396), as a resource server registers them. One
-- is held through a scope there, and goes with it.
create table detail_types (
    resource_id text not null,
    name        text not null,
    scope       text not null,
    risk        text not null,
    schema      text not null, -- JSON Schema of an object, less its type
    template    text not null, -- by language
    narrow      text not null, -- field -> how it narrows
    constraint detail_types_pk primary key (resource_id, name),
    constraint detail_types_scope_fk foreign key (resource_id, scope) references scopes (resource_id, name) on delete cascade
);

-- What of it people agreed to, granted in one sitting, and what a token says.
alter table consents add column details text not null default '[]';
alter table codes add column details text not null default '{}';
alter table tokens add column details text not null default '[]';
