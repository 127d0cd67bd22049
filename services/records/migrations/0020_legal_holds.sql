-- Expand: what keeps a patient from being erased, and what waits for a second person's approval of an erasure. Both go with the patient.

-- One for each id of a chart, so that no unmerge frees a part of it. `id` is the patient's.
create table legal_holds (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  placed_by uuid not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  check (id = patient_id)
);

-- The latest of a patient; `id` is the patient's.
create table erasure_requests (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  requested_by uuid not null,
  state text not null,
  decided_by uuid,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  expires_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  check (id = patient_id)
);
create index legal_holds_of_patient on legal_holds (patient_id);
create index erasure_requests_of_patient on erasure_requests (patient_id);
