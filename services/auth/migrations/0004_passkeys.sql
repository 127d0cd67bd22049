-- Expand: passkeys (WebAuthn credentials). A new table only.
--
-- The credential's id, its public key, its name and its transports lie in `sealed` under the user's key; whose it is
-- is bound into the box, so that a passkey given to another user by SQL does not open.

create table passkeys (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  -- HMAC-SHA-256, cut to 16 bytes, of the credential's id under an index key: a sign-in brings that id and no name.
  credential_token bytea not null unique,
  -- The authenticator's own count of its uses; 0 for ever where it keeps none. It only rises.
  sign_count bigint not null check (sign_count >= 0),
  created_at timestamptz not null,
  last_used_at timestamptz,
  rev integer not null check (rev >= 1),
  open jsonb not null default '{}',
  sealed bytea not null
);
create index passkeys_user on passkeys (user_id, id);
