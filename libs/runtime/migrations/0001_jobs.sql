-- Expand: the declared jobs of which one process at a time may run one, in the service's sys schema, which a restore
-- never rewinds. A row appears with the first run; the fence rises whenever the lease changes hands.
create table jobs (
  name text primary key,
  fence bigint not null default 1,
  lease_owner text,
  lease_until timestamptz,
  started_at timestamptz not null,
  finished_at timestamptz,
  outcome text check (outcome in ('done', 'failed', 'stopped'))
);
