-- Expand: the search in memory. A version that runs without this file searches as before.

-- One a patient, of what a search knows of them, so that a process has its index soon after its start. Made of the rows, which are
-- the truth: it may be missing, old or damaged.
create table search_documents (
  patient_id uuid primary key references patients (id) on delete cascade,
  rev integer not null check (rev >= 1),
  written_at timestamptz not null,
  sealed bytea not null
);

-- A patient's rows with their revisions, of the index alone: whether a document is of just these.
drop index prescriptions_in_order;
create index prescriptions_in_order on prescriptions (patient_id, id) include (rev);

-- Every change of what a search knows leaves its ids in search_changes, by whatever way it is made. Once a statement, whatever its rows: an
-- insert of one costs some 30 µs. A trigger with a table of its rows is for one event only.
create trigger patients_inserted after insert on patients
  referencing new table as changed for each statement execute function note_changed_patients();
create trigger patients_updated after update on patients
  referencing new table as changed for each statement execute function note_changed_patients();
create trigger patients_deleted after delete on patients
  referencing old table as changed for each statement execute function note_changed_patients();

create trigger prescriptions_inserted after insert on prescriptions
  referencing new table as changed for each statement execute function note_changed_prescriptions();
create trigger prescriptions_updated after update on prescriptions
  referencing new table as changed for each statement execute function note_changed_prescriptions();
create trigger prescriptions_deleted after delete on prescriptions
  referencing old table as changed for each statement execute function note_changed_prescriptions();

create trigger patient_merges_inserted after insert on patient_merges
  referencing new table as changed for each statement execute function note_changed_merges();
create trigger patient_merges_updated after update on patient_merges
  referencing new table as changed for each statement execute function note_changed_merges();
create trigger patient_merges_deleted after delete on patient_merges
  referencing old table as changed for each statement execute function note_changed_merges();
