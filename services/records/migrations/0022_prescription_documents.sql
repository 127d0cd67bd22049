-- Expand: each prescription that was made a document, so that who holds it can ask whether it is real (services/records/README.md,
-- "Prescriptions as PDF"). The code on the document is not here: `lookup` is derived from it, and so is the key of `box`, which
-- holds the signature and the hash of what was printed. So the table alone opens nothing, and compares with nothing.
-- A row outlives its prescription, to say that it was withdrawn, and goes with its patient.
-- Locks: none of what is there; the foreign key takes share row exclusive on patients for a moment, which waits for writes under way.
create table prescription_documents (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  prescription_id uuid not null,
  prescription_rev integer not null check (prescription_rev >= 1),
  made_at timestamptz not null,
  lookup bytea not null unique,
  box bytea not null
);
create index prescription_documents_of on prescription_documents (prescription_id, made_at desc, id desc);
create index prescription_documents_by_patient on prescription_documents (patient_id);
