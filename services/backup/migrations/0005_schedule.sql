-- Expand: backups and verifications by a schedule, their progress, and stopping them. A version that runs without this file
-- never looks at it: what it makes counts as made by hand, and is kept.
-- Locks: backups, for as long as adding columns with a constant default takes.

-- One row. due_from, verify_due_from: what was due up to then is done. updated_at: null while nobody has set it.
create table schedule (
  one              boolean primary key default true check (one),
  rev              integer not null,
  cron             text,
  verify_cron      text,
  time_zone        text not null,
  keep_daily       integer check (keep_daily >= 0),
  keep_weekly      integer check (keep_weekly >= 0),
  keep_monthly     integer check (keep_monthly >= 0),
  due_from         timestamptz not null,
  verify_due_from  timestamptz not null,
  updated_at       timestamptz,
  updated_by       uuid
);
insert into schedule (rev, time_zone, due_from, verify_due_from) values (1, 'UTC', now(), now());

-- scheduled: the schedule made it, and may delete it. stage, percent: of what is under way. cancelled_at: when somebody asked
-- for its end.
alter table backups
  add column scheduled boolean not null default false,
  add column stage text,
  add column percent smallint check (percent between 0 and 100),
  add column cancelled_at timestamptz;
