-- Expand: what prescriptions, claims and patients were before each change. A version that runs without this file keeps none.
create table row_versions (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  kind text not null,
  row_id uuid not null,
  version integer not null check (version >= 1),
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  constraint row_versions_once unique (row_id, version)
);
create index row_versions_by_patient on row_versions (patient_id);
