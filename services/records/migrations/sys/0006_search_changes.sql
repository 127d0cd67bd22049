-- Expand: what changed of what a search knows, so that each process takes it into its index in memory, and the projector into the
-- patient's search document. Written by triggers, so that no way to write a row can forget it, and in the sys schema, which a
-- restore neither copies nor rewinds. A version that runs without this file writes changes too, and reads none.
create table search_changes (
  patient_id uuid not null,
  -- the prescription; null: the patient, their chart, or their key
  row_id uuid,
  -- A reader asks for what is visible now and was not in the snapshot of its last reading, so a late commit cannot slip past it.
  xid xid8 not null default pg_current_xact_id(),
  -- whether the patient's search document says it
  projected boolean not null default false
);
create index search_changes_by_xid on search_changes (xid);
create index search_changes_to_project on search_changes (patient_id) where not projected;
-- Rows live for an hour or two: their number says nothing of how many are dead.
alter table search_changes set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);

-- Below `horizon` every transaction was over at that time. Once that is an hour ago, every reader that is not too old has their
-- changes, and they may go.
create table search_horizons (
  noted_at timestamptz primary key default now(),
  horizon xid8 not null default pg_snapshot_xmin(pg_current_snapshot())
);

-- Each is called once a statement, whose rows are `changed`.
create function note_changed_patients() returns trigger language plpgsql set search_path from current as $$
begin
  insert into search_changes (patient_id) select id from changed;
  return null;
end $$;

create function note_changed_prescriptions() returns trigger language plpgsql set search_path from current as $$
begin
  insert into search_changes (patient_id, row_id) select patient_id, id from changed;
  return null;
end $$;

create function note_changed_merges() returns trigger language plpgsql set search_path from current as $$
begin
  insert into search_changes (patient_id) select from_id from changed union select into_id from changed;
  return null;
end $$;

create function note_changed_keys() returns trigger language plpgsql set search_path from current as $$
begin
  insert into search_changes (patient_id) select subject_id from changed;
  return null;
end $$;

-- Nothing of a subject without a key is found: a shred, and a lost key that is put back.
create trigger subject_keys_inserted after insert on subject_keys
  referencing new table as changed for each statement execute function note_changed_keys();
create trigger subject_keys_deleted after delete on subject_keys
  referencing old table as changed for each statement execute function note_changed_keys();
