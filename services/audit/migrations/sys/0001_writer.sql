-- Expand: who writes the log, and what has arrived of each producer.

-- One row. epoch rises whenever the lease changes hands; every append and every signature is made under a lock of
-- this row by whoever holds the present epoch. size is the number of leaves that the next append expects.
create table writer (
  only_row boolean primary key default true check (only_row),
  epoch bigint not null default 0,
  owner uuid,
  lease_until timestamptz,
  size bigint not null default 0 check (size >= 0)
);
insert into writer default values;

-- The sequence numbers that arrived, as ranges: one range as long as nothing is missing.
create table sequences (
  producer text not null,
  epoch bigint not null,
  received int8multirange not null,
  duplicates bigint not null default 0,
  last_event_at timestamptz not null,
  heartbeat_seq bigint,
  heartbeat_at timestamptz,
  primary key (producer, epoch)
);
