-- Expand: what the audit log says that each row was left as, for the check that finds a row rolled back, deleted or swapped. All of it is
-- derived: each entry is under a MAC whose key Postgres does not hold, and a full check derives it again from the log.
create table expected_rows (
  kind text not null,
  id uuid not null,
  patient_id uuid,
  -- of a former version: the row whose it is
  of_row uuid,
  rev integer not null check (rev >= 1),
  -- null: the row is gone
  sha256 bytea check (octet_length(sha256) = 32),
  mac bytea not null,
  primary key (kind, id)
);
create index expected_rows_of_patient on expected_rows (patient_id) where patient_id is not null;
create index expected_rows_of_row on expected_rows (of_row) where of_row is not null;

-- How far the log was read, and when all rows were last compared. One row.
create table row_check (
  only_one boolean primary key default true check (only_one),
  next bigint not null,
  -- whether rows of which the log said nothing were taken as they were found
  based boolean not null,
  full_at timestamptz,
  mac bytea not null,
  compared_at timestamptz
);

-- Rows that are not what the log says, as of the last check.
create table row_findings (
  kind text not null,
  id uuid not null,
  what text not null,
  expected_rev integer,
  found_rev integer,
  found_at timestamptz not null default now(),
  mac bytea not null,
  primary key (kind, id)
);

-- Which rows one event left as what, where they are too many for its details: by the hash that the event has.
create table row_manifests (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  lines text not null
);
