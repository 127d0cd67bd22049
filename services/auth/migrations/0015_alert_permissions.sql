-- Expand: who sees what the audit log's rules found, and says how far it was looked into.
insert into role_permissions (role, permission) values
  ('auditor', 'alert:read:any'),
  ('auditor', 'alert:write:any'),
  ('admin', 'alert:read:any'),
  ('admin', 'alert:write:any')
on conflict do nothing;

-- So that sessions that are out take it up.
update roles set version = version + 1 where role in ('auditor', 'admin');
