-- Expand: how many entries of each outcome there are a minute, an hour and a day (UTC), so that a chart costs the same
-- however long the log is. Kept by a trigger, hence in the transaction of each append and by every version of the
-- writer; the service's role may read it, and nothing else. The log is what counts: this can be derived from it again.
create table log_counts (
  minutes int not null check (minutes in (1, 60, 1440)),
  start timestamptz not null,
  success bigint not null,
  denied bigint not null,
  failure bigint not null,
  primary key (minutes, start)
) with (fillfactor = 50);
revoke insert, update, delete, truncate, references, trigger on log_counts from medvault_audit;

create function count_log_entries() returns trigger
language plpgsql security definer set search_path from current as $$
begin
  insert into log_counts as known (minutes, start, success, denied, failure)
  select m.minutes, date_bin(make_interval(mins => m.minutes), a.occurred_at, '0001-01-01T00:00:00Z'),
         count(*) filter (where outcome = 'success'), count(*) filter (where outcome = 'denied'),
         count(*) filter (where outcome = 'failure')
    from appended a cross join (values (1), (60), (1440)) as m (minutes)
   group by 1, 2
  on conflict (minutes, start) do update
     set success = known.success + excluded.success, denied = known.denied + excluded.denied,
         failure = known.failure + excluded.failure;
  return null;
end $$;
revoke execute on function count_log_entries() from public;

-- Takes the lock that keeps appends out, until the entries that are there already are counted.
create trigger log_counted after insert on log referencing new table as appended
  for each statement execute function count_log_entries();

insert into log_counts (minutes, start, success, denied, failure)
select m.minutes, date_bin(make_interval(mins => m.minutes), occurred_at, '0001-01-01T00:00:00Z'),
       count(*) filter (where outcome = 'success'), count(*) filter (where outcome = 'denied'),
       count(*) filter (where outcome = 'failure')
  from log cross join (values (1), (60), (1440)) as m (minutes)
 group by 1, 2;
