-- What a restore is about to do, does and did. In the sys schema: no restore rewinds its own log.
create table restores (
  id            uuid primary key,
  -- n names the schemas of this restore: records_restore_<n>, records_old_<n>
  n             bigint generated always as identity unique,
  backup_id     uuid not null,
  state         text not null check (state in ('requested', 'running', 'complete', 'failed')),
  -- who asked, and the request's event fields, so that the job's events carry the same request id and trace
  requested_by  uuid not null,
  requested_role text not null,
  requested_at  timestamptz not null default now(),
  request_id    text,
  traceparent   text,
  started_at    timestamptz,
  finished_at   timestamptz,
  error         text,
  runner        text,
  heartbeat_at  timestamptz
);

create unique index restores_one_at_once on restores ((true)) where state in ('requested', 'running');
create index restores_by_backup on restores (backup_id, n desc);
