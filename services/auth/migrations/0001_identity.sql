-- Expand: users, roles, recovery codes. New tables only; nothing that runs reads them yet.
--
-- A user's name, address, password hash and TOTP secret lie in `sealed`. `username_token` and `email_token` are
-- keyed blind tokens of the two, for equality alone: whoever copies this table learns neither. The typed columns
-- role, disabled, activated and mfa_enabled are bound into the box (its AAD), so that an account whose role was
-- changed by SQL does not open.

create table roles (
  role text primary key check (role in ('guest', 'patient', 'doctor', 'auditor', 'admin')),
  -- Rises at every change of the role's permissions. Tokens carry it, so that older ones are known as such.
  version integer not null default 1
);

create table role_permissions (
  role text not null references roles,
  permission text not null check (length(permission) <= 100),
  primary key (role, permission)
);

create table users (
  id uuid primary key,
  role text not null references roles check (role <> 'guest'),
  disabled boolean not null,
  -- False from an invitation until its acceptance: there is no password yet.
  activated boolean not null,
  mfa_enabled boolean not null,
  username_token bytea not null unique,
  email_token bytea not null unique,
  -- The last TOTP step (Unix time / 30 s) that was used: no code counts twice, in whichever process.
  totp_last_step bigint not null default 0,
  max_sessions smallint not null default 5 check (max_sessions between 1 and 50),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  rev integer not null check (rev >= 1),
  open jsonb not null default '{}',
  sealed bytea not null
);
-- The question "is there another active admin" is asked at every demotion.
create index users_role on users (role, id);

create table recovery_codes (
  user_id uuid not null references users on delete cascade,
  -- HMAC-SHA-256, cut to 16 bytes, of user and code under an index key; used means deleted.
  code_token bytea not null,
  primary key (user_id, code_token)
);

insert into roles (role) values ('guest'), ('patient'), ('doctor'), ('auditor'), ('admin');

-- The same values as DEFAULT_PERMISSIONS in libs/contracts (a test compares the two).
insert into role_permissions (role, permission) values
  ('patient', 'account:enroll:own'),
  ('patient', 'account:read:own'),
  ('patient', 'account:write:own'),
  ('patient', 'audit:proof:any'),
  ('patient', 'audit:read:own'),
  ('patient', 'careteam:read:own'),
  ('patient', 'claim:read:own'),
  ('patient', 'fhir:export:own'),
  ('patient', 'file:read:own'),
  ('patient', 'file:write:own'),
  ('patient', 'patient:read:own'),
  ('patient', 'patient:write:own'),
  ('patient', 'phi:unmask:own'),
  ('patient', 'prescription:read:own'),
  ('patient', 'prescription:search:own'),
  ('patient', 'record:read:own'),
  ('patient', 'session:end:own'),
  ('patient', 'session:read:own'),
  ('doctor', 'account:enroll:own'),
  ('doctor', 'account:read:own'),
  ('doctor', 'account:write:own'),
  ('doctor', 'audit:proof:any'),
  ('doctor', 'careteam:read:assigned'),
  ('doctor', 'careteam:write:assigned'),
  ('doctor', 'claim:read:assigned'),
  ('doctor', 'claim:write:assigned'),
  ('doctor', 'fhir:export:assigned'),
  ('doctor', 'fhir:import:assigned'),
  ('doctor', 'file:delete:assigned'),
  ('doctor', 'file:read:assigned'),
  ('doctor', 'file:write:assigned'),
  ('doctor', 'patient:read:assigned'),
  ('doctor', 'patient:search:assigned'),
  ('doctor', 'patient:write:assigned'),
  ('doctor', 'phi:unmask:assigned'),
  ('doctor', 'prescription:delete:assigned'),
  ('doctor', 'prescription:read:assigned'),
  ('doctor', 'prescription:search:assigned'),
  ('doctor', 'prescription:write:assigned'),
  ('doctor', 'record:delete:assigned'),
  ('doctor', 'record:read:assigned'),
  ('doctor', 'record:write:assigned'),
  ('doctor', 'session:end:own'),
  ('doctor', 'session:read:own'),
  ('auditor', 'account:enroll:own'),
  ('auditor', 'account:read:own'),
  ('auditor', 'account:write:own'),
  ('auditor', 'audit:proof:any'),
  ('auditor', 'audit:read:any'),
  ('auditor', 'audit:verify:any'),
  ('auditor', 'session:end:own'),
  ('auditor', 'session:read:own'),
  ('admin', 'account:enroll:own'),
  ('admin', 'account:read:own'),
  ('admin', 'account:write:own'),
  ('admin', 'audit:proof:any'),
  ('admin', 'audit:read:any'),
  ('admin', 'audit:verify:any'),
  ('admin', 'backup:delete:any'),
  ('admin', 'backup:read:any'),
  ('admin', 'backup:restore:any'),
  ('admin', 'backup:write:any'),
  ('admin', 'careteam:read:any'),
  ('admin', 'careteam:write:any'),
  ('admin', 'claim:decide:any'),
  ('admin', 'claim:read:any'),
  ('admin', 'claim:write:any'),
  ('admin', 'fhir:export:any'),
  ('admin', 'fhir:import:any'),
  ('admin', 'file:delete:any'),
  ('admin', 'file:read:any'),
  ('admin', 'file:write:any'),
  ('admin', 'patient:read:any'),
  ('admin', 'patient:search:any'),
  ('admin', 'patient:write:any'),
  ('admin', 'phi:unmask:any'),
  ('admin', 'prescription:delete:any'),
  ('admin', 'prescription:read:any'),
  ('admin', 'prescription:search:any'),
  ('admin', 'prescription:write:any'),
  ('admin', 'record:delete:any'),
  ('admin', 'record:read:any'),
  ('admin', 'record:write:any'),
  ('admin', 'role:read:any'),
  ('admin', 'role:write:any'),
  ('admin', 'session:end:any'),
  ('admin', 'session:end:own'),
  ('admin', 'session:read:any'),
  ('admin', 'session:read:own'),
  ('admin', 'user:delete:any'),
  ('admin', 'user:read:any'),
  ('admin', 'user:write:any');
