-- Expand: accounts whose address is claimed and not (yet) theirs. The running version writes email_token always and
-- reads no pending_email_token.
--
-- email_token is unique: whoever has it owns the address. Somebody who registers with an address that is taken gets an
-- account like any other, with the address as pending_email and no email_token; that token is not unique.
alter table users alter column email_token drop not null;
alter table users add column pending_email_token bytea;
create index users_pending_email_token on users (pending_email_token, id) where pending_email_token is not null;
