-- Expand: what rotation needs. A version that runs without this file works on as before.

-- Service key versions under which nothing may be wrapped any more. The keys themselves are in no table.
create table service_key_versions (
  version bigint primary key check (version between 1 and 4294967295),
  state text not null check (state in ('retired', 'destroyed')),
  closed_at timestamptz not null default now()
);

-- Bytes 2 to 5 of a wrapped key are the version that wraps it, big-endian (libs/crypto/FORMATS.md).
create index subject_keys_by_service_key on subject_keys (substring(wrapped from 3 for 4));

-- Somebody who wrapped a key just before its version was closed must not store it after the last look at what is left:
-- it would be lost with the version. The writer's transaction is run again (40001) and wraps under the version that is
-- active now. The owner may: the restore job puts back what a backup holds.
create function refuse_closed_service_key() returns trigger language plpgsql set search_path from current as $$
begin
  if exists (select from service_key_versions v
              where v.version = ('x' || encode(substring(new.wrapped from 3 for 4), 'hex'))::bit(32)::bigint)
     and current_user <> (select relowner::regrole::text from pg_class where oid = tg_relid) then
    raise exception 'the version of the service key is closed' using errcode = '40001';
  end if;
  return new;
end
$$;

create trigger subject_keys_open_version before insert or update of wrapped on subject_keys
  for each row execute function refuse_closed_service_key();
create trigger keys_open_version before insert or update of wrapped on keys
  for each row execute function refuse_closed_service_key();
