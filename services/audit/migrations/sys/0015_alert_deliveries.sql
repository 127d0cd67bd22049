-- Expand: what is to be sent of alerts, and what became of it.
-- Locks: none that others wait for; the table is new.

-- One row per alert, change of it and channel, made in the transaction of the change. notice holds what goes out: codes,
-- counts and ids of events. attempts counts tries; next_at is when the next one may begin; reason is why the last one failed.
create table alert_deliveries (
  id uuid primary key,
  alert_id uuid not null,
  rev integer not null,
  change text not null,
  channel text not null,
  notice jsonb not null,
  created_at timestamptz not null,
  next_at timestamptz not null,
  attempts integer not null default 0,
  reason text,
  sent_at timestamptz,
  given_up_at timestamptz,
  unique (alert_id, rev, channel)
);
create index alert_deliveries_waiting on alert_deliveries (next_at, id) where sent_at is null and given_up_at is null;
create index alert_deliveries_created on alert_deliveries (created_at);
