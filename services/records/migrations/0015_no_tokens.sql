-- Contract: Postgres keeps tokens only of what is unique by nature (national ids, identifiers of FHIR). Names, medications and
-- birth dates are searched in memory. Stop every process of the former version first: it writes these columns.

drop function patients_by_merged_name(bigint[], text[]);

-- A dropped column's bytes would stay in the rows that are there, so both tables are written again: the changed type is the same
-- one, computed. Each is locked meanwhile, some 10 s a million rows. What these columns held is then in no file of the tables and
-- their indexes; backups of before, WAL that is kept and free blocks of the disk have it until they go.
alter table patients
  drop column name_tokens, drop column birth_date_token, drop column added_tokens,
  alter column sealed type bytea using sealed || ''::bytea;
alter table prescriptions
  drop column medication_tokens, drop column added_tokens,
  alter column sealed type bytea using sealed || ''::bytea;
