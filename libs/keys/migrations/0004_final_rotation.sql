-- Expand: what makes a shred final by itself. A version that runs without this file works on as before.

-- Subjects whose key was deleted on purpose, which no restore and no kept backup may bring back. A key that vanished in any
-- other way is damage, and a backup heals it. final_at: no copy of the key, however old, can be opened any more.
create table shreds (
  subject_id uuid primary key,
  -- the newest version of the service key that a copy of the subject's key can lie under
  service_key_version bigint not null check (service_key_version between 1 and 4294967295),
  shredded_at timestamptz not null default now(),
  final_at timestamptz
);
create index shreds_not_final on shreds (shredded_at) where final_at is null;

-- Who does the rotation that makes shreds final: one process at a time, by a lease whose fence rises when it changes hands.
create table final_rotation (
  singleton boolean primary key default true check (singleton),
  fence bigint not null default 0,
  lease_owner text check (octet_length(lease_owner) between 1 and 200),
  lease_until timestamptz,
  -- the version that was active when a rotation was last put into the log
  active_version bigint,
  -- why it could not go on when it was last tried, a stable code; null when it could
  held_up_by text check (octet_length(held_up_by) between 1 and 100),
  overdue_told_at timestamptz
);
insert into final_rotation default values;
