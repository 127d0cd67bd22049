-- Expand: who erases a patient or holds that up for a legal reason, and who sees it.
insert into role_permissions (role, permission) values
  ('auditor', 'erasure:read:any'),
  ('auditor', 'legalhold:read:any'),
  ('admin', 'erasure:read:any'),
  ('admin', 'erasure:write:any'),
  ('admin', 'legalhold:read:any'),
  ('admin', 'legalhold:write:any')
on conflict do nothing;

-- So that sessions that are out take it up.
update roles set version = version + 1 where role in ('auditor', 'admin');
