-- Expand: new tables in the service's sys schema, which a restore never rewinds.

-- Events that are committed and not yet confirmed by the broker. Default expressions are evaluated in the order of
-- the columns: xid stands first so that a transaction has its xid before it draws a position. The relay relies on it:
-- whoever drew a position below one that is already visible has a lower xid than the relay's next transaction.
create table outbox (
  xid xid8 not null default pg_current_xact_id(),
  position bigint generated always as identity primary key,
  created_at timestamptz not null default now(),
  id uuid not null,
  audience text not null check (audience in ('audit', 'domain')),
  type text not null,
  event json not null
);

-- One row. The epoch is the second in which this database was made, so that a machine that starts empty never
-- continues the numbers of an earlier one. fence rises whenever the lease changes hands.
create table producer (
  only_row boolean primary key default true check (only_row),
  epoch bigint not null default floor(extract(epoch from clock_timestamp())),
  last_seq bigint not null default 0,
  fence bigint not null default 0,
  lease_owner uuid,
  lease_until timestamptz,
  heartbeat_at timestamptz,
  heartbeat_seq bigint not null default 0
);
insert into producer default values;

-- The journal: positions[i] has number first_seq + i - 1. A row lives from before its events are published until
-- they are confirmed, so that whoever publishes them again gives them the same numbers.
create table relay_batches (
  epoch bigint not null,
  first_seq bigint not null,
  positions bigint[] not null,
  primary key (epoch, first_seq)
);

-- What a consumer has taken effect of. The source is in the key, lest one service use up the ids of another.
create table inbox (
  consumer text not null,
  source text not null,
  event_id uuid not null,
  received_at timestamptz not null default now(),
  primary key (consumer, source, event_id)
);
create index inbox_received_at on inbox (received_at);

-- Messages without effect: not valid, not authentic, or refused by their handler. redrive_at asks the running
-- consumer to try again.
create table parked (
  id uuid primary key,
  consumer text not null,
  reason text not null,
  parked_at timestamptz not null default now(),
  attempts integer not null default 1,
  redrive_at timestamptz,
  user_id text,
  content_type text,
  routing_key text not null,
  body bytea not null
);
create index parked_redrive on parked (consumer, redrive_at) where redrive_at is not null;
