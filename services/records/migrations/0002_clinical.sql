-- Expand: what is known about a patient. Sealed like patients (0001).

create table medical_records (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  author_id uuid not null,
  version integer not null check (version >= 1),
  occurred_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  hidden_at timestamptz,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null
);
create index medical_records_latest on medical_records (patient_id, occurred_at desc, id desc)
  where hidden_at is null;

-- What a version said before it was replaced.
create table medical_record_versions (
  id uuid primary key,
  record_id uuid not null references medical_records (id) on delete cascade,
  patient_id uuid not null references patients (id) on delete cascade,
  author_id uuid not null,
  version integer not null check (version >= 1),
  occurred_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  constraint medical_record_versions_once unique (record_id, version)
);
create index medical_record_versions_by_patient on medical_record_versions (patient_id);

create table prescriptions (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  prescribed_by uuid not null,
  status text not null,
  start_date date not null,
  end_date date,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  medication_tokens bigint[] not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null
);
create index prescriptions_latest on prescriptions (start_date desc, id desc);
create index prescriptions_by_patient on prescriptions (patient_id, start_date desc, id desc);
create index prescriptions_by_medication on prescriptions using gin (medication_tokens);

create table claims (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  provider_id uuid,
  created_by uuid not null,
  status text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null
);
create index claims_latest on claims (updated_at desc, id desc);
create index claims_by_patient on claims (patient_id, updated_at desc, id desc);
