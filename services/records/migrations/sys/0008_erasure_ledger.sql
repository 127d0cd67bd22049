-- Expand: who was erased, numbered without gaps, each entry signed and chained to the one before. Here, because no restore rewinds it.
create table erasure_ledger (
  number bigint primary key check (number >= 1),
  -- every id of the chart
  patient_ids uuid[] not null check (cardinality(patient_ids) between 1 and 1000),
  erased_at timestamptz not null,
  previous text check (previous ~ '^[0-9a-f]{64}$'),
  public_key jsonb not null,
  signature bytea not null check (octet_length(signature) = 64),
  -- the account that was the patient's; auth drops it
  account_id uuid,
  erased_by uuid not null,
  -- the event of the erasure in the audit log, which names this entry by its hash
  event_id uuid not null,
  asked_at timestamptz not null,
  keys_destroyed_at timestamptz,
  check ((number = 1) = (previous is null))
);
create index erasure_ledger_of_patient on erasure_ledger using gin (patient_ids);
create index erasure_ledger_open on erasure_ledger (asked_at) where keys_destroyed_at is null;

-- Who has done its part, and since when no copy of its keys opens.
create table erasure_parts (
  number bigint not null references erasure_ledger on delete cascade,
  service text not null check (service in ('records', 'files', 'auth', 'backup')),
  done_at timestamptz not null,
  keys_final_at timestamptz,
  primary key (number, service)
);
