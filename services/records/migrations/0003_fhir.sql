-- Expand: FHIR resources that have no room of their own yet, kept as they came, and what is known already.

-- `subject_id` is the patient of the bundle or, in a bundle without one, the user who loaded it. Therefore no
-- foreign key.
create table fhir_resources (
  id uuid primary key,
  subject_id uuid not null,
  created_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null
);
create index fhir_resources_by_subject on fhir_resources (subject_id, id);

-- A resource is known by a keyed token of its full URL or of its identifiers, within one subject. The primary
-- key is what makes loading a bundle twice, even at once, store nothing twice.
create table fhir_sources (
  subject_id uuid not null,
  token bytea not null,
  primary key (subject_id, token)
);
