-- Wrapped keys and sealed answers of one service. They live in <service>_sys: a restore never rewinds them, and no
-- business table refers to them by foreign key (a restore swaps those tables by rename).

-- One random key per subject (a patient; in auth a user). Deleting the row is the shred: nothing of the subject opens.
create table subject_keys (
  subject_id uuid primary key,
  wrapped bytea not null check (octet_length(wrapped) = 102),
  created_at timestamptz not null default now()
);

-- Keys of the service itself. A rewrap changes `wrapped` alone; a new version is another key.
create table keys (
  kind text not null check (kind in ('table', 'index', 'signing')),
  name text not null check (length(name) between 1 and 200),
  version integer not null check (version >= 1),
  wrapped bytea not null check (octet_length(wrapped) = 102),
  public jsonb,
  state text not null default 'active' check (state in ('active', 'retired', 'destroyed')),
  created_at timestamptz not null default now(),
  primary key (kind, name, version),
  check ((kind = 'signing') = (public is not null))
);

create unique index keys_active on keys (kind, name) where state = 'active';

-- What a write answered, for 24 h. `key` and `body_hash` are keyed hashes: neither a client's key nor the body of a request
-- can be guessed from them. A row is inserted in its effect's transaction, so a row that is seen has its answer.
create table idempotency_keys (
  actor_id text not null check (octet_length(actor_id) between 1 and 200),
  method text not null check (length(method) between 1 and 16),
  path text not null check (octet_length(path) between 1 and 2000),
  key bytea not null check (octet_length(key) = 32),
  body_hash bytea not null check (octet_length(body_hash) = 32),
  status integer,
  answer bytea,
  created_at timestamptz not null default now(),
  primary key (actor_id, method, path, key)
);

create index idempotency_keys_created_at on idempotency_keys (created_at);
