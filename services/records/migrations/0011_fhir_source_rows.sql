-- Expand: which row a name of `fhir_sources` stands for, so that a newer version of a resource finds the row that shows it.
-- Resources may share a name (an accession number): a name may stand for several rows. Names that are there already, and those
-- that a version without this file writes, stand for no row that is known: the zero id. A version that runs without this file
-- goes on to take every name for one of a resource that is stored.
alter table fhir_sources
  add column row_id uuid not null default '00000000-0000-0000-0000-000000000000',
  -- What is at `row_id`: patient, record, prescription, claim, fhir-resource.
  add column kind text,
  -- Of a name that is a content: whether it was the last that was imported, or one before. Of other names null.
  add column content text check (content in ('present', 'former'));
alter table fhir_sources drop constraint fhir_sources_pkey;
alter table fhir_sources add primary key (subject_id, token, row_id);
create index fhir_sources_by_row on fhir_sources (row_id) where row_id <> '00000000-0000-0000-0000-000000000000';
create index fhir_sources_unknown on fhir_sources (subject_id) where row_id = '00000000-0000-0000-0000-000000000000';
