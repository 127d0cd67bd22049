-- Expand: answers of writes that a restore undid are not given again. A version that runs without this file gives them, as before.

-- The transaction of the write: what the answer says is there exactly where what that transaction did is. Rows of before this
-- file have none; no backup that names its snapshot is older than they are.
alter table idempotency_keys add column xid xid8;
alter table idempotency_keys alter column xid set default pg_current_xact_id();

-- Each restore of this service's tables, written in the transaction that swaps them.
create table rewinds (
  xid xid8 primary key default pg_current_xact_id(),
  -- what had ended by then, and so was replaced
  before pg_snapshot not null default pg_current_snapshot(),
  -- what was put back: the backup's snapshot; null when it is of another server, whose numbers mean nothing here
  backup pg_snapshot,
  rewound_at timestamptz not null default now()
);

-- Whether what a transaction did is there now. It is unless the latest restore replaced it; then it is if it was there in what that
-- restore put back, which may itself have been made after another restore. Answers live for 24 h, so older restores do not matter.
create function effect_stands(effect xid8) returns boolean
  language plpgsql stable set search_path from current as $$
declare
  seen pg_snapshot;
  latest rewinds;
begin
  loop
    select * into latest from rewinds r
     where r.rewound_at > now() - interval '25 hours' and (seen is null or pg_visible_in_snapshot(r.xid, seen))
     order by r.xid desc limit 1;
    if not found or not pg_visible_in_snapshot(effect, latest.before) then return true; end if;
    if latest.backup is null or not pg_visible_in_snapshot(effect, latest.backup) then return false; end if;
    seen := latest.backup;
  end loop;
end
$$;
