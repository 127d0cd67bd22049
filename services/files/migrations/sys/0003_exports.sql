-- Expand: archives that patients take away. In the sys schema: a backup holds none of them, and a restore brings none back.
create table exports (
  id                uuid primary key,
  -- the surviving id of the chart, and all that it is kept under: who erases one of these deletes the row, and the keys go with it
  patient_id        uuid not null,
  patient_ids       uuid[] not null,
  requested_by      uuid not null,
  state             text not null check (state in ('queued', 'running', 'ready', 'downloaded', 'failed', 'expired')),
  stage             text,
  percent           smallint not null default 0 check (percent between 0 and 100),
  reason            text,
  purpose           text,
  created_at        timestamptz not null default now(),
  -- who makes it, and until when they need not say so again
  runner            uuid,
  leased_until      timestamptz,
  attempts          smallint not null default 0,
  -- of the archive
  blob              uuid unique,
  size_bytes        bigint,
  expires_at        timestamptz,
  downloads         smallint not null default 0,
  first_download_at timestamptz,
  download_until    timestamptz
);
create unique index exports_under_way on exports (patient_id, requested_by) where state in ('queued', 'running');
create index exports_in_line on exports (created_at) where state in ('queued', 'running');
create index exports_kept on exports (expires_at) where state = 'ready';
create index exports_of_person on exports (requested_by, created_at);
create index exports_by_age on exports (created_at);

-- What opens an archive, or makes it: sealed under the patient's key, and deleted with its use.
create table export_secrets (
  id         uuid primary key references exports (id) on delete cascade,
  patient_id uuid not null,
  rev        integer not null check (rev >= 1),
  open       jsonb not null,
  sealed     bytea not null
);
