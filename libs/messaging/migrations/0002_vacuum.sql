-- Tuning only; the running version needs nothing of it.
-- outbox and relay_batches hold little and turn over fast: vacuum by number of dead rows, not by share. producer is one
-- row that is updated with every batch: room on its page keeps the updates off the index.
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
alter table relay_batches set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table producer set (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
