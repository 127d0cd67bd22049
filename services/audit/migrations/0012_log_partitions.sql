-- Expand: the log becomes a table in range partitions of idx, of which the table that was the log is the first (ADR 28). The version
-- before appends and reads as it did.
-- Locks: log, for an instant: the new table is empty, and 0011 has shown what the first partition holds.

create table log_parts (
  idx bigint primary key constraint log_idx_check check (idx >= 0),
  id uuid not null,
  occurred_at timestamptz not null,
  type text not null,
  producer text not null,
  epoch bigint,
  seq bigint,
  actor_id text,
  actor_role text,
  patient_ids uuid[] not null,
  subject text not null,
  action text not null,
  outcome text not null,
  purpose text,
  ip text,
  request_id text,
  leaf bytea not null constraint log_leaf_check check (octet_length(leaf) = 32),
  sealed bytea not null
) partition by range (idx);

-- As 0001 and 0003 made them for the first partition, which takes part with those that it has.
create index on log_parts (occurred_at, idx);
create index on log_parts (actor_id, occurred_at, idx);
create index on log_parts (subject, occurred_at, idx);
create index on log_parts (type, occurred_at, idx);
create index on log_parts (action, occurred_at, idx);
create index on log_parts (ip, occurred_at, idx);
create index on log_parts (request_id, occurred_at, idx);
create index on log_parts (outcome, occurred_at, idx) where outcome <> 'success';
create index on log_parts using gin (patient_ids);

create trigger log_counted after insert on log_parts referencing new table as appended
  for each statement execute function count_log_entries();
create trigger log_ids_noted after insert on log_parts referencing new table as appended
  for each statement execute function note_log_ids();
create trigger log_ids_forgotten after delete on log_parts referencing old table as gone
  for each statement execute function forget_log_ids();

alter table log rename to log_first;
alter table log_parts rename to log;

do $$
begin
  execute format('alter table log attach partition log_first for values from (0) to (%s)',
    (select substring(pg_get_constraintdef(oid) from '\d+') from pg_constraint where conname = 'log_first_part'
        and conrelid = 'log_first'::regclass));
end $$;

-- What no partition takes goes here, and is shown by a metric. (Read by the service, to count it.)
create table log_default partition of log default;

revoke all on log_first, log_default from medvault_audit;
revoke update, delete, truncate, references, trigger on log from medvault_audit;
grant select on log_default to medvault_audit;

-- The partitions of the log, lowest first; the default one is none of them.
create function log_partitions() returns table (part regclass, from_idx bigint, to_idx bigint)
language sql stable set search_path from current as $$
  select oid::regclass, bounds[1]::bigint, bounds[2]::bigint
    from (select c.oid, regexp_match(pg_get_expr(c.relpartbound, c.oid), $r$FROM \('(\d+)'\) TO \('(\d+)'\)$r$) as bounds
            from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'log'::regclass) parts
   where bounds is not null order by 2
$$;
revoke execute on function log_partitions() from public;

-- Makes partitions ahead, so that half a million entries find one, or as many as came in the last 91 days: each of them holds so many.
-- For the service's role, which may make no table itself. Gives how many it made.
create function make_log_partitions() returns int
language plpgsql security definer set search_path from current as $$
declare
  step constant bigint := 262144;
  size bigint;
  upper bigint;
  span bigint;
  part text;
  made int := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('audit.log', 0));
  select coalesce(max(idx) + 1, 0) into size from log;
  -- Behind what the default partition has: its entries stay there until they are retired.
  select greatest((select max(to_idx) from log_partitions()),
                  (select ceil((max(idx) + 1)::numeric / step) * step from log_default)) into upper;
  select least(greatest(ceil(sum(success + denied + failure) / step) * step, step), 256 * step) into span
    from log_counts where minutes = 1440 and start >= now() - interval '91 days';
  while upper - size < greatest(2 * step, span) loop
    part := format('log_%s', upper);
    execute format('create table %I (like log including constraints including indexes)', part);
    execute format('revoke all on %I from medvault_audit', part);
    execute format('alter table log attach partition %I for values from (%s) to (%s)', part, upper, upper + span);
    upper := upper + span;
    made := made + 1;
  end loop;
  return made;
end $$;
revoke execute on function make_log_partitions() from public;
select make_log_partitions();

-- Drops the partitions that end at or before this index, and gives how many entries they had. What the service says of it is in its
-- signed note and its event; this sees to it that nobody with the service's role drops what is younger than six years, what no checkpoint
-- of that age covers, or a part of the log without all that is before it.
create function retire_log(upto bigint) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  youngest constant timestamptz := now() - interval '6 years';
  entries bigint;
  known record;
begin
  perform pg_advisory_xact_lock(hashtextextended('audit.log', 0));
  if not exists (select from log_partitions() where to_idx = upto) then
    raise exception 'no partition of the log ends at %', upto using errcode = '22023';
  end if;
  if not exists (select from checkpoints where size >= upto and signed_at < youngest)
     or exists (select from log where idx < upto and occurred_at >= youngest) then
    raise exception 'entries before % are younger than six years', upto using errcode = '22023';
  end if;
  if not exists (select from log where idx >= upto) then
    raise exception 'the log would be empty' using errcode = '22023';
  end if;
  select count(*) into entries from log where idx < upto;
  for known in select part from log_partitions() where to_idx <= upto loop
    execute format('drop table %s', known.part);
  end loop;
  delete from log_default where idx < upto;
  return entries;
end $$;
revoke execute on function retire_log(bigint) from public;
