-- Backups and what became of them. Nothing of a patient is in here: what a backup holds lies encrypted in its
-- directory, whose name is the id.
create table backups (
  id               uuid primary key,
  state            text not null check (state in ('running', 'complete', 'failed', 'deleting')),
  requested_by     uuid not null,
  created_at       timestamptz not null default now(),
  finished_at      timestamptz,
  -- a stable code, set with state 'failed'
  error            text,
  -- of all that the backup alone would occupy, blobs shared with others included
  size_bytes       bigint,
  -- of the sealed manifest as it lies on disk: a manifest put in its place is seen at once
  manifest_sha256  text check (manifest_sha256 ~ '^[0-9a-f]{64}$'),
  tables           integer,
  table_rows       bigint,
  files            bigint,
  files_missing    bigint,
  audit_checkpoint bigint,
  -- the process that works on it: '<host>.<pid>.<random>'; it moves heartbeat_at while it lives
  runner           text,
  heartbeat_at     timestamptz,
  verify_state     text check (verify_state in ('running', 'passed', 'failed')),
  verify_error     text,
  verified_at      timestamptz,
  check (state <> 'complete' or (manifest_sha256 is not null and finished_at is not null))
);

-- One at a time, and decided by the database: two replicas cannot both start one.
create unique index backups_one_running on backups ((true)) where state = 'running';
create unique index backups_one_verifying on backups ((true)) where verify_state = 'running';
