-- Expand: the first of three steps to a log in range partitions (ADR 28): this one makes what 0011 fills and 0012 uses.
-- Locks: log, twice for an instant; neither reads it.

-- Every entry stays below it until 0012: the check lets the table become a partition without being read under a lock.
-- The room of four million entries is for what is appended until then.
do $$
declare
  size bigint;
begin
  select coalesce(max(idx) + 1, 0) into size from log;
  execute format('alter table log add constraint log_first_part check (idx < %s) not valid',
                 case when size = 0 then 262144 else (size / 262144 + 17) * 262144 end);
end $$;

-- An event id is in the log once: what a table in parts by idx cannot see to itself. It stays when entries are retired.
create table log_ids (
  id uuid primary key,
  idx bigint not null
);
revoke insert, update, delete, truncate, references, trigger on log_ids from medvault_audit;

create function note_log_ids() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  insert into log_ids (id, idx) select id, idx from appended;
  return null;
end $$;
revoke execute on function note_log_ids() from public;

create trigger log_ids_noted after insert on log referencing new table as appended
  for each statement execute function note_log_ids();

-- Where the owner takes a row out by hand to heal the log, its id can come again. Retiring drops whole tables, and leaves their ids.
create function forget_log_ids() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  delete from log_ids using gone where log_ids.id = gone.id and log_ids.idx = gone.idx;
  return null;
end $$;
revoke execute on function forget_log_ids() from public;
create trigger log_ids_forgotten after delete on log referencing old table as gone
  for each statement execute function forget_log_ids();
