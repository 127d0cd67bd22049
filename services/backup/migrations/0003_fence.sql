-- Expand: what a restore puts before the writes to the tables that it replaces. A version that runs without this file never
-- asks for it.

-- While the restore of that number holds its lock, every statement that would write is refused, with an SQLSTATE of our own that
-- libs/postgres makes 503 restore_in_progress of. The lock ends with the restore's connection, so that a killed restore refuses
-- nothing: the trigger that it left lets everything pass, until the next restore job drops it.
create function refuse_write() returns trigger
  language plpgsql set search_path = pg_catalog as $$
begin
  if not pg_try_advisory_xact_lock_shared(7102312, tg_argv[0]::int) then
    raise exception 'a restore is replacing this table' using errcode = 'MVR01';
  end if;
  return null;
end
$$;
