-- Expand: in whose name a job goes on when the request is over. In the sys schema, since a restore must never revive one that ended.
create table delegations (
  -- SHA-256 of 256 random bits: there is nothing to guess, so a fast hash is enough.
  hash bytea primary key check (octet_length(hash) = 32),
  user_id uuid not null,
  session_id text not null,
  patient_ids uuid[] not null,
  expires_at timestamptz not null
);
create index delegations_of_user on delegations (user_id);
create index delegations_by_end on delegations (expires_at);
