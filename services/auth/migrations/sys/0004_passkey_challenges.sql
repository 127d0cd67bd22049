-- Expand: what WebAuthn ceremonies under way were asked to sign. In the sys schema because a restore must not bring
-- back a challenge that was used.

create table passkey_challenges (
  -- SHA-256 of 256 random bits.
  hash bytea primary key,
  purpose text not null check (purpose in ('register', 'login', 'second_factor', 'step_up')),
  -- Null for a sign-in by the passkey alone: it says itself whose it is.
  user_id uuid,
  -- The session or (in hex) the hash of the token of the sign-in that it was given to.
  bound_to text,
  expires_at timestamptz not null
);
create index passkey_challenges_expiry on passkey_challenges (expires_at);
