-- Expand: how a session's tokens travel, under which version of its role it began, and when each signing key of access
-- tokens is used. Columns have defaults, so that replicas of the version before go on writing.

alter table sessions
  -- 'cookie': the tokens are good in the browser's cookies only, with a CSRF token beside them.
  add column transport text not null default 'bearer' check (transport in ('bearer', 'cookie')),
  -- The version of its role's permissions at its start; null in rows of before.
  add column pv integer;

alter table one_time_tokens
  -- Of a half-finished sign-in: how its tokens are to travel, and the permission version that it began under.
  add column transport text not null default 'bearer' check (transport in ('bearer', 'cookie')),
  add column pv integer;

-- When each signing key (in auth_sys.keys, `access-tokens`, then `access-tokens/<generation>`) is used: from `use_from`
-- until the next one's. It is published from its making on, and goes when the last token under it is dead.
create table access_token_keys (
  generation integer primary key check (generation >= 0),
  use_from timestamptz not null,
  -- With a daily reset: when every session from before `use_from` had ended.
  reset_at timestamptz
);
