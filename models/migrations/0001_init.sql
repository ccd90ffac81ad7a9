-- +goose Up
-- One file for SQLite and Postgres: only what both mean alike.
-- Times are unix seconds unless a column says otherwise; an expiry is always set
-- (253402300799 = never); 0 in a *_at column of an event means it has not happened.

create table users (
    id         text   not null constraint users_pk primary key,
    username   text   not null constraint users_username_key unique,
    name       text   not null,
    email      text   not null,
    status     text   not null,
    expires_at bigint not null,
    labels     text   not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);

create table clients (
    id             text    not null constraint clients_pk primary key,
    kind           text    not null,
    name           text    not null constraint clients_name_key unique,
    purpose        text    not null,
    owner_id       text    constraint clients_owner_fk references users (id),
    sponsor        text    not null,
    status         text    not null,
    expires_at     bigint  not null,
    labels         text    not null,
    grant_types    text    not null,
    default_scopes text    not null,
    max_ttl        bigint  not null,
    self_grant_id  text    not null,
    version        bigint  not null,
    created_at     bigint  not null,
    updated_at     bigint  not null
);
create index clients_owner_idx on clients (owner_id);

create table credentials (
    id           text   not null constraint credentials_pk primary key,
    client_id    text   not null constraint credentials_client_fk references clients (id),
    kind         text   not null,
    name         text   not null,
    secret_hash  bytea,
    public_jwk   text   not null,
    created_at   bigint not null,
    expires_at   bigint not null,
    last_used_at bigint not null,
    revoked_at   bigint not null
);
create index credentials_client_idx on credentials (client_id);

create table user_groups (
    id          text   not null constraint user_groups_pk primary key,
    name        text   not null constraint user_groups_name_key unique,
    description text   not null,
    version     bigint not null,
    created_at  bigint not null,
    updated_at  bigint not null
);

-- A member is a user, a client or another group; the prefix of its id says which.
create table group_members (
    group_id  text not null constraint group_members_group_fk references user_groups (id) on delete cascade,
    member_id text not null,
    constraint group_members_pk primary key (group_id, member_id)
);
create index group_members_member_idx on group_members (member_id);

create table resource_servers (
    id          text    not null constraint resource_servers_pk primary key,
    identifier  text    not null constraint resource_servers_identifier_key unique,
    name        text    not null constraint resource_servers_name_key unique,
    description text    not null,
    operator_id text    constraint resource_servers_operator_fk references clients (id),
    status      text    not null,
    token_ttl   bigint  not null,
    max_depth   integer not null,
    version     bigint  not null,
    created_at  bigint  not null,
    updated_at  bigint  not null
);

create table scopes (
    resource_id text not null constraint scopes_resource_fk references resource_servers (id) on delete cascade,
    name        text not null,
    description text not null,
    risk        text not null,
    constraint scopes_pk primary key (resource_id, name)
);

-- Doing what a scope allows may need a scope at another service.
create table scope_downstream (
    resource_id    text not null,
    name           text not null,
    to_resource_id text not null,
    to_name        text not null,
    constraint scope_downstream_pk primary key (resource_id, name, to_resource_id, to_name),
    constraint scope_downstream_from_fk foreign key (resource_id, name) references scopes (resource_id, name) on delete cascade,
    constraint scope_downstream_to_fk foreign key (to_resource_id, to_name) references scopes (resource_id, name) on delete cascade
);

create table roles (
    id          text   not null constraint roles_pk primary key,
    name        text   not null constraint roles_name_key unique,
    description text   not null,
    version     bigint not null,
    created_at  bigint not null,
    updated_at  bigint not null
);

create table role_scopes (
    role_id     text not null constraint role_scopes_role_fk references roles (id) on delete cascade,
    resource_id text not null,
    scope       text not null,
    constraint role_scopes_pk primary key (role_id, resource_id, scope),
    constraint role_scopes_scope_fk foreign key (resource_id, scope) references scopes (resource_id, name) on delete cascade
);
create index role_scopes_scope_idx on role_scopes (resource_id, scope);

-- A principal is a user, a client or a group.
create table assignments (
    id           text   not null constraint assignments_pk primary key,
    role_id      text   not null constraint assignments_role_fk references roles (id) on delete cascade,
    principal_id text   not null,
    created_at   bigint not null,
    constraint assignments_key unique (principal_id, role_id)
);
create index assignments_role_idx on assignments (role_id);

create table grants (
    id         text   not null constraint grants_pk primary key,
    kind       text   not null,
    client_id  text   not null,
    subject_id text   not null,
    created_at bigint not null,
    expires_at bigint not null,
    revoked_at bigint not null
);
create index grants_client_idx on grants (client_id);

create table tokens (
    id          text   not null constraint tokens_pk primary key,
    grant_id    text   not null,
    parent_id   text   not null,
    txn         text   not null,
    client_id   text   not null,
    subject_id  text   not null,
    resource_id text   not null,
    scopes      text   not null,
    chain       text   not null,
    decision_id text   not null,
    issued_at   bigint not null,
    expires_at  bigint not null,
    revoked_at  bigint not null
);
create index tokens_parent_idx on tokens (parent_id) where parent_id <> '';
create index tokens_grant_idx on tokens (grant_id, id);

-- What may be used once: the purpose keeps one kind from standing in for another.
create table used_once (
    purpose    text   not null,
    value      text   not null,
    expires_at bigint not null,
    constraint used_once_pk primary key (purpose, value)
);
create index used_once_expiry_idx on used_once (expires_at);

create table signing_keys (
    id          text   not null constraint signing_keys_pk primary key,
    purpose     text   not null,
    alg         text   not null,
    public_jwk  text   not null,
    sealed      bytea  not null,
    created_at  bigint not null,
    active_at   bigint not null,
    retires_at  bigint not null,
    expires_at  bigint not null
);

-- The ledger: one row per decision, change and failed attempt. Never updated, never deleted.
create table ledger (
    seq         bigint not null constraint ledger_pk primary key,
    id          text   not null,
    at          bigint not null, -- unix milliseconds
    kind        text   not null,
    action      text   not null,
    outcome     text   not null,
    client_id   text   not null,
    subject_id  text   not null,
    resource_id text   not null,
    token_id    text   not null,
    parent_id   text   not null,
    txn         text   not null,
    grant_id    text   not null,
    policy      text   not null,
    detail      text   not null
);
create index ledger_id_idx on ledger (id);
create index ledger_txn_idx on ledger (txn, seq) where txn <> '';
create index ledger_client_idx on ledger (client_id, seq);
create index ledger_subject_idx on ledger (subject_id, seq) where subject_id <> '';

-- Content-addressed facts that decisions were taken on.
create table facts (
    digest text not null constraint facts_pk primary key,
    body   text not null
);

-- Stored hashes of the Merkle tree, one row per batch: first is the storage
-- index (golang.org/x/mod/sumdb/tlog) of the first of the 32-byte hashes.
create table ledger_tree (
    first  bigint not null constraint ledger_tree_pk primary key,
    hashes bytea  not null
);

-- The one row that orders all batches of all replicas.
create table ledger_head (
    id    integer not null constraint ledger_head_pk primary key,
    size  bigint  not null,
    epoch bigint  not null,
    edge  bytea   not null
);
insert into ledger_head (id, size, epoch, edge) values (1, 0, 0, '');

-- Signed tree heads (golang.org/x/mod/sumdb/note).
create table ledger_heads (
    size bigint not null constraint ledger_heads_pk primary key,
    at   bigint not null, -- unix milliseconds
    note text   not null
);

-- What changed in which epoch, for caches and for the check before a batch.
create table changes (
    epoch bigint not null,
    key   text   not null,
    constraint changes_pk primary key (epoch, key)
);
