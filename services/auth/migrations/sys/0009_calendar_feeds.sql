-- Expand: links to somebody's calendar. They stand in the sys schema, since a restore must never revive one that was revoked.
create table calendar_feeds (
  id uuid primary key,
  user_id uuid not null,
  -- SHA-256 of 256 random bits: there is nothing to guess, so a fast hash is enough.
  hash bytea not null unique check (octet_length(hash) = 32),
  created_at timestamptz not null,
  last_used_at timestamptz
);
create index calendar_feeds_of_user on calendar_feeds (user_id, id);
