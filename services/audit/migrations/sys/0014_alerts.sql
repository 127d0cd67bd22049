-- Expand: what the rules found in the log, what they remember, and how far they have read.

-- One row per cause, rule and window: window_at is the first event of it. The note is sealed; what is said of a cause
-- is ids alone. rev counts what people changed.
create table alerts (
  id uuid primary key,
  rule text not null,
  cause text not null,
  window_at timestamptz not null,
  severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
  state text not null default 'open' check (state in ('open', 'acknowledged', 'closed')),
  actor_id text,
  patient_id uuid,
  address text,
  subject text,
  opened_at timestamptz not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  count bigint not null check (count > 0),
  events uuid[] not null,
  why text not null,
  rev integer not null default 1,
  note bytea,
  changed_by text,
  changed_at timestamptz,
  unique (rule, cause, window_at)
);
create index alerts_opened on alerts (opened_at, id);
create index alerts_state on alerts (state, opened_at, id);
create index alerts_rule on alerts (rule, opened_at, id);

-- What a rule remembers of a cause, until kept_until by the clock of who wrote it.
create table alert_windows (
  rule text not null,
  cause text not null,
  remembered text not null,
  kept_until timestamptz not null,
  primary key (rule, cause)
) with (fillfactor = 70);
create index alert_windows_kept on alert_windows (kept_until);

-- One row: the next entry that the rules look at, the event before it, and which process does so until when. Rules
-- look at what comes from here on, and not at years of log that are there.
create table alert_cursor (
  only_row boolean primary key default true check (only_row),
  idx bigint not null,
  last_id uuid,
  owner uuid,
  lease_until timestamptz
);
insert into alert_cursor (idx) select size from writer;
