-- Expand: what patients are to be reminded of, and whether it was announced, kept where a restore rewinds nothing, so that no reminder
-- comes twice. Written by triggers, so that no way to write a row can forget it. A version that runs without this file writes it too,
-- and announces nothing.
create table reminders (
  row_id uuid not null,
  -- midnight (UTC) of the day with which a prescription ends; when an appointment begins
  due timestamptz not null,
  kind text not null check (kind in ('prescription', 'appointment')),
  -- by which a mail is sent once, however often it is announced
  id uuid not null default gen_random_uuid(),
  state text not null default 'waiting' check (state in ('waiting', 'announced', 'withdrawn')),
  -- its row was changed since
  recheck boolean not null default false,
  primary key (row_id, due)
);
create index reminders_waiting on reminders (kind, due, row_id) where state = 'waiting';
create index reminders_recheck on reminders (kind, row_id) where recheck;
create index reminders_by_due on reminders (due);

-- How far the rows that were written long before have been taken in, by kind.
create table reminder_cursors (
  kind text primary key,
  due timestamptz not null,
  row_id uuid not null
);

create function note_prescription_end() returns trigger language plpgsql set search_path from current as $$
begin
  insert into reminders (row_id, due, kind)
    values (new.id, new.end_date::timestamp at time zone 'UTC', 'prescription') on conflict do nothing;
  return null;
end $$;

create function note_appointment_start() returns trigger language plpgsql set search_path from current as $$
begin
  insert into reminders (row_id, due, kind) values (new.id, new.starts_at, 'appointment') on conflict do nothing;
  return null;
end $$;

-- Also of what waits: its lock keeps the announcement from reading the row as it was.
create function note_reminder_change() returns trigger language plpgsql set search_path from current as $$
begin
  update reminders set recheck = true where row_id = old.id;
  return null;
end $$;
