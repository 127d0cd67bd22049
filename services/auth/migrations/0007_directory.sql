-- Expand: who may read the directory of people. The names themselves lie in the boxes of users, which need no column.
insert into role_permissions (role, permission) values
  ('patient', 'directory:read:own'),
  ('doctor', 'directory:read:any'),
  ('auditor', 'directory:read:any'),
  ('admin', 'directory:read:any')
on conflict do nothing;

-- So that sessions that are out take it up.
update roles set version = version + 1 where role in ('patient', 'doctor', 'auditor', 'admin');
