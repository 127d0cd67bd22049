-- Expand: keysets of kept backups can be replaced. A version that runs without this file works on as before.

-- The keyset in force: none is the one that the manifest names. What lies in the directory is nothing without this hash, so
-- an older or a forged keyset put back is refused. surveyed: keyset_versions says what the keyset holds.
-- swept: nothing of a replaced keyset, or of one that was never put in force, is left in the directory.
alter table backups
  add column keyset_generation integer not null default 0,
  add column keyset_sha256 text check (keyset_sha256 ~ '^[0-9a-f]{64}$'),
  add column keyset_surveyed boolean not null default false,
  add column keyset_swept boolean not null default true,
  add column keyset_looked_at timestamptz,
  add check ((keyset_generation = 0) = (keyset_sha256 is null));

-- How many keys of a service a backup holds under which version of that service's key. stray: of those, the ones that were
-- left as they are when the keyset was last replaced, since the service has them no more and nobody shredded them.
create table keyset_versions (
  backup_id uuid not null references backups on delete cascade,
  service text not null,
  version bigint not null,
  keys bigint not null check (keys > 0),
  stray bigint not null default 0 check (stray between 0 and keys),
  primary key (backup_id, service, version)
);

-- The one thing that other services may ask of this schema: how many keys in backups still need a version of theirs that was
-- closed at that time. A backup that began before and whose keyset nobody has looked at may need it, and counts as one.
create function keysets_needing(of_service text, of_version bigint, closed_at timestamptz) returns bigint
  language sql stable security definer set search_path from current as $$
  select (select coalesce(sum(v.keys), 0) from keyset_versions v join backups b on b.id = v.backup_id
           where b.state = 'complete' and b.keyset_surveyed and v.service = of_service and v.version = of_version)::bigint
       + (select count(*) from backups b
           where b.created_at <= closed_at
             and (b.state = 'running' or (b.state = 'complete' and not b.keyset_surveyed)))
$$;
