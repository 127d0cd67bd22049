-- Expand: what statistics are told from, counted from the log by a job. Ids alone; derived, so no proof covers it: a day is counted
-- again from the log and compared, and written again where it differs.

-- Entries of each outcome a day (UTC), by their type, by who acted, by the patient they are about.
create table tallies (
  kind text not null check (kind in ('type', 'actor', 'patient')),
  day date not null,
  key text not null,
  success bigint not null,
  denied bigint not null,
  failure bigint not null,
  primary key (kind, day, key)
) with (fillfactor = 70);

-- Which patients each member of staff reached in an hour (UTC): for how many are usual. Kept for 92 days.
create table reach (
  hour timestamptz not null,
  actor_id text not null,
  patient_id uuid not null,
  primary key (hour, actor_id, patient_id)
);

-- One row: how many entries of the log are counted.
create table tally_cursor (
  only_row boolean primary key default true check (only_row),
  size bigint not null default 0 check (size >= 0)
);
insert into tally_cursor default values;
