-- Expand: the list of a restore that the log does not have yet: until then nothing can be said of rows. It is set with the rows themselves.
alter table row_manifests add column awaited boolean not null default false;
