-- Expand: lockouts that grow, devices that an account is known on, mails that wait, used tokens that are still told
-- from unknown ones. The running version writes none of it and needs none of it.

-- How often in a row the lane has locked, and when nothing of it has to be remembered any more.
alter table login_lanes add column locks smallint not null default 0;
alter table login_lanes add column forget_at timestamptz not null default now() + interval '1 day';
create index login_lanes_forget_at on login_lanes (forget_at);

-- A device that an account signed in from. Its token is <device id, HMAC of user and device id>: without a row, or
-- under another account, it is worth nothing.
create table known_devices (
  user_id uuid not null,
  device_id bytea not null check (octet_length(device_id) = 16),
  created_at timestamptz not null,
  last_success_at timestamptz not null,
  primary key (user_id, device_id)
);

-- Set where a token was deleted before: one that comes again is a replay and no guess.
alter table one_time_tokens add column used_at timestamptz;

-- What is to be mailed, written in the transaction of its cause, deleted when it is sent. Addressee, text and tokens
-- lie in the box.
create table mails (
  id uuid primary key,
  kind text not null,
  created_at timestamptz not null,
  next_at timestamptz not null,
  attempts smallint not null default 0,
  -- Given up: kept without its box, so that operators see that there was one.
  parked_at timestamptz,
  sealed bytea,
  check ((sealed is null) = (parked_at is not null))
);
create index mails_next on mails (next_at, id) where parked_at is null;
create index mails_parked on mails (parked_at) where parked_at is not null;
