-- Expand: which key each version of the service key is. A version that runs without this file works on as before.

-- The key itself is in no table: key_id names it (libs/crypto/FORMATS.md, "Keyed hash") and says nothing of it. Whoever
-- opens the service's keys is compared with this, so that another key, or a file without a version, is refused at the
-- start. Null: made under a lock of Vault's, and not opened by anybody since.
create table service_keys (
  version bigint primary key check (version between 1 and 4294967295),
  key_id bytea check (octet_length(key_id) = 16),
  noted_at timestamptz not null default now()
);
