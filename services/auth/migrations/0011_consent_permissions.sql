-- Expand: who opens and closes charts, and who sees what was opened and closed.
insert into role_permissions (role, permission) values
  ('patient', 'consent:read:own'),
  ('patient', 'consent:write:own'),
  ('admin', 'consent:read:any'),
  ('admin', 'consent:write:any')
on conflict do nothing;

-- So that sessions that are out take it up.
update roles set version = version + 1 where role in ('patient', 'admin');
