-- Expand: what a healing of the log (npm run audit:heal) takes out of it or replaces stays here, for those who look into what was done.
-- Nobody changes or removes a row of it by a statement; the service's role may read it.
create table quarantine (
  n bigint generated always as identity primary key,
  healing uuid not null,
  taken_at timestamptz not null default clock_timestamp(),
  -- foreign: no writer of this log appended it. edited: it was another than what was signed. moved: an entry that no checkpoint covered,
  -- behind one that is gone. checkpoint: a row of the history that this log's key did not sign. numbers: the table of what arrived.
  why text not null check (why in ('foreign', 'edited', 'moved', 'checkpoint', 'numbers')),
  -- The whole row as it was.
  entry jsonb not null
);
revoke insert, update, delete, truncate, references, trigger on quarantine from medvault_audit;

create function keep_quarantine() returns trigger language plpgsql as $$
begin
  raise exception 'what is in quarantine stays there' using errcode = '42501';
end $$;
revoke execute on function keep_quarantine() from public;
create trigger quarantine_kept before update or delete or truncate on quarantine
  for each statement execute function keep_quarantine();

-- One row for each healing: what it did so far, also where it was ended in the middle.
create table healings (
  id uuid primary key,
  begun_at timestamptz not null default clock_timestamp(),
  done_at timestamptz,
  done jsonb not null default '{}'
);
revoke insert, update, delete, truncate, references, trigger on healings from medvault_audit;
