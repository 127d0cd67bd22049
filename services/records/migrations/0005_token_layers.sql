-- Expand: under how many keys a token lies (libs/crypto/FORMATS.md, "Layered tokens"). What is there lies under one, and so does
-- what a version without this file writes.

alter table patient_identifiers add column layer integer not null default 1 check (layer >= 1);
alter table fhir_sources add column layer integer not null default 1 check (layer >= 1);
