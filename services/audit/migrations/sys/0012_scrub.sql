-- Expand: what is derived from the log, and what the scrubber found.

-- One row: the numbers that arrived of each producer, counted from the first `size` entries and sealed under the log's
-- key, which Postgres does not hold. An older one is true as well: the entries behind it are counted again.
create table arrivals (
  only_row boolean primary key default true check (only_row),
  size bigint not null check (size > 0),
  sealed bytea not null
);

-- One row: where the scrubber is in its walk over the whole log, and when it ended the last one.
create table scrub (
  only_row boolean primary key default true check (only_row),
  position bigint not null default 0 check (position >= 0),
  walked_at timestamptz
);
insert into scrub default values;

-- What the scrubber found and what is still so. idx -1: no single entry is to blame.
create table findings (
  fault text not null,
  idx bigint not null,
  found_at timestamptz not null,
  primary key (fault, idx)
);
