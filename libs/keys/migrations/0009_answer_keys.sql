-- Expand: each kept answer has a random key of its own, wrapped like every other, so that an old dump and the keys of today open
-- no answer that was deleted since. A version that runs without this file seals by the table's key, and this one reads that.
-- Locks: idempotency_keys, while the index is built: some 0.1 s for a million answers of the last 24 h.

alter table idempotency_keys add column wrapped bytea;
alter table idempotency_keys
  add constraint idempotency_keys_wrapped_length check (octet_length(wrapped) = 102) not valid;
create index idempotency_keys_by_service_key on idempotency_keys (substring(wrapped from 3 for 4));
create trigger idempotency_keys_open_version before insert or update of wrapped on idempotency_keys
  for each row when (new.wrapped is not null) execute function refuse_closed_service_key();
