-- Expand: which other processes are ready to write the log, so that a writer that is cut off from RabbitMQ or from the store outside
-- gives its lease to one, and keeps it where there is none.
create table standbys (
  owner uuid primary key,
  ready_until timestamptz not null
);
