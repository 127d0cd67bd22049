-- Expand: the first tables of the records service. No version runs before this one.
--
-- Typed columns hold ids, states and times only. What a person or a clinician wrote is in `sealed`, one
-- authenticated box a row (libs/keys); `open` holds fields that an operator chose to leave unencrypted.
-- Token columns are keyed (blind indexes): they match, and say nothing without the index key.

create table patients (
  id uuid primary key,
  user_id uuid,
  created_by uuid not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  name_tokens bigint[] not null,
  national_id_token bytea,
  birth_date_token bytea,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  constraint patients_one_per_user unique (user_id)
);
create index patients_newest on patients (updated_at desc, id desc);
create index patients_by_name on patients using gin (name_tokens);
create index patients_by_national_id on patients (national_id_token) where national_id_token is not null;
create index patients_by_birth_date on patients (birth_date_token) where birth_date_token is not null;

-- Identifiers (FHIR system and value) as keyed tokens. Unique per patient only: an identifier that is known to
-- someone else must neither open that record nor tell that it exists.
create table patient_identifiers (
  patient_id uuid not null references patients (id) on delete cascade,
  token bytea not null,
  primary key (patient_id, token)
);
create index patient_identifiers_by_token on patient_identifiers (token);

create table care_team (
  patient_id uuid not null references patients (id) on delete cascade,
  user_id uuid not null,
  added_by uuid not null,
  added_at timestamptz not null,
  primary key (patient_id, user_id)
);
create index care_team_by_user on care_team (user_id, patient_id);

-- The one place that says who reaches which patient in which scope; every query asks it. Scope `any` needs no row.
create view patient_access as
  select patient_id, user_id, 'assigned'::text as scope from care_team
  union all
  select id as patient_id, user_id, 'own'::text as scope from patients where user_id is not null;
