-- Expand: a chart that was reached in an emergency (services/records/README.md, "Emergencies"). A row opens the chart to its user
-- until it expires, as a place on the care team does; it stays, as what the patient and the auditor read.
create table break_glass (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  user_id uuid not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  expires_at timestamptz not null,
  reviewed text not null,
  reviewed_by uuid,
  reviewed_at timestamptz,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null
);
create index break_glass_by_user on break_glass (user_id, patient_id, expires_at);
create index break_glass_by_end on break_glass (expires_at);
create index break_glass_latest on break_glass (created_at desc, id desc);
create index break_glass_by_patient on break_glass (patient_id, created_at desc, id desc);
create index break_glass_by_review on break_glass (reviewed, created_at desc, id desc);

-- Scope `assigned` of two kinds: the care team, and who broke the glass, for as long as that lasts. `lasting` is the first alone: what
-- outlives an emergency (who treats the patient, who they are, what is deleted) is not done by one.
create or replace view patient_access as
  select patient_id, user_id, 'assigned'::text as scope from care_team
  union all
  select id as patient_id, user_id, 'own'::text as scope from patients where user_id is not null
  union all
  select patient_id, user_id, 'lasting'::text as scope from care_team
  union all
  select patient_id, user_id, 'assigned'::text as scope from break_glass where expires_at > now();
