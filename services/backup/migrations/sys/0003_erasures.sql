-- Expand: backup's copy of the ledger of erasures, which records keeps; beside it lies one in the directory of backups.
create table erasures (
  number bigint primary key check (number >= 1),
  entry jsonb not null,
  taken_at timestamptz not null default now()
);
