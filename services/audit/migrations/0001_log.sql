-- Expand: the log and the history of its checkpoints. Both only ever grow: the service's role may select and
-- insert, nothing else; update, delete and truncate are nobody's but the owner role's, which no service has.

-- One row per leaf, idx being its place in the Merkle tree. The typed columns repeat what the sealed body says, for
-- queries; POST /v1/audit/verify compares them. A plain table on purpose: range partitions by time (with a default
-- partition, made ahead by a definer function) come when retention does.
create table log (
  idx bigint primary key check (idx >= 0),
  id uuid not null unique,
  occurred_at timestamptz not null,
  type text not null,
  producer text not null,
  epoch bigint,
  seq bigint,
  actor_id text,
  actor_role text,
  patient_ids uuid[] not null,
  subject text not null,
  action text not null,
  outcome text not null,
  purpose text,
  ip text,
  request_id text,
  leaf bytea not null check (octet_length(leaf) = 32),
  sealed bytea not null
);

-- Every filter of GET /v1/audit/events with the order of its pages behind it, so that a page costs the same at any
-- depth. Patients are in a set, which only GIN can hold: there the matches are sorted.
create index log_time on log (occurred_at, idx);
create index log_actor on log (actor_id, occurred_at, idx);
create index log_subject on log (subject, occurred_at, idx);
create index log_type on log (type, occurred_at, idx);
create index log_ip on log (ip, occurred_at, idx);
create index log_request on log (request_id, occurred_at, idx);
create index log_refused on log (outcome, occurred_at, idx) where outcome <> 'success';
create index log_patients on log using gin (patient_ids);

-- Every checkpoint that was signed. The latest one outside Postgres is what counts; this is the history of them.
create table checkpoints (
  size bigint primary key check (size > 0),
  root bytea not null check (octet_length(root) = 32),
  note text not null,
  signed_at timestamptz not null
);

revoke update, delete, truncate, references, trigger on log, checkpoints from medvault_audit;
