-- Expand: appointments. A version that runs without this file neither reads nor writes them.

-- One doctor, as a range of one id: what an index of ranges can compare beside times. (btree_gist would compare the id itself, but is
-- an extension, which the role of the migrations may not be allowed to create.)
create type doctor_range as range (subtype = uuid);

create table appointments (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  doctor_id uuid not null,
  created_by uuid not null,
  status text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  constraint appointments_end_after_start check (ends_at > starts_at),
  -- Nobody has two at once that stand. One may begin at the moment in which another ends.
  constraint appointments_one_at_a_time exclude using gist (
    doctor_range(doctor_id, doctor_id, '[]') with =,
    tstzrange(starts_at, ends_at) with &&
  ) where (status <> 'cancelled')
);

-- In the order of the list: of everyone, of a patient, of a doctor, of both, each of a status too.
create index appointments_latest on appointments (starts_at desc, id desc);
create index appointments_by_status on appointments (status, starts_at desc, id desc);
create index appointments_of_patient on appointments (patient_id, starts_at desc, id desc);
create index appointments_of_patient_by_status on appointments (patient_id, status, starts_at desc, id desc);
create index appointments_of_patient_by_doctor on appointments (patient_id, doctor_id, starts_at desc, id desc);
create index appointments_of_doctor on appointments (doctor_id, starts_at desc, id desc);
create index appointments_of_doctor_by_status on appointments (doctor_id, status, starts_at desc, id desc);
-- A chart is read in pages, by patient and then in the order in which its rows were stored.
create index appointments_in_order on appointments (patient_id, id);
