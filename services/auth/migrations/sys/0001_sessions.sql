-- Expand: sessions, tokens and lockouts. They stand in the sys schema because a restore must never revive an
-- ended session, a used token or a lifted lock. For the same reason nothing here references the business schema.

create table sessions (
  id uuid primary key,
  user_id uuid not null,
  role text not null,
  -- 'enrollment' reaches the MFA set-up only.
  kind text not null check (kind in ('full', 'enrollment')),
  amr text[] not null,
  auth_time timestamptz not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  idle_expires_at timestamptz not null,
  absolute_expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text check ((end_reason is null) = (ended_at is null)),
  rev integer not null check (rev >= 1),
  open jsonb not null default '{}',
  -- Address and user agent: they are personal data.
  sealed bytea not null
);
create index sessions_live_of_user on sessions (user_id, id) where ended_at is null;
create index sessions_live on sessions (id) where ended_at is null;
create index sessions_ended on sessions (ended_at) where ended_at is not null;

create table refresh_tokens (
  -- SHA-256 of 256 random bits: there is nothing to guess, so a fast hash is enough.
  hash bytea primary key,
  session_id uuid not null references sessions on delete cascade,
  created_at timestamptz not null,
  used_at timestamptz,
  -- Blind token of the address and user agent that used it.
  used_by bytea,
  successor bytea
);
create index refresh_tokens_session on refresh_tokens (session_id);

create table one_time_tokens (
  hash bytea primary key,
  user_id uuid not null,
  purpose text not null check (purpose in ('mfa_login', 'password_reset', 'invitation', 'email_change')),
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index one_time_tokens_user on one_time_tokens (user_id, purpose);
create index one_time_tokens_expiry on one_time_tokens (expires_at);

-- One row per lane that guesses are counted in: an account, or an account from an address it is known from.
create table login_lanes (
  lane bytea primary key,
  -- Blind token of the account (or of the unknown name), so that an admin can lift every lane of one.
  account bytea not null,
  -- Microseconds since 1970 of attempts that count: reserved before they are evaluated, taken back on success.
  attempts bigint[] not null,
  -- Those of them that were wrong guesses.
  failures bigint[] not null,
  locked_until timestamptz
);
create index login_lanes_account on login_lanes (account);

-- Where an account has signed in from with success: such an address has a lane of its own, so that strangers who
-- lock the account do not lock out its owner.
create table known_addresses (
  user_id uuid not null,
  address_token bytea not null,
  last_success_at timestamptz not null,
  primary key (user_id, address_token)
);
