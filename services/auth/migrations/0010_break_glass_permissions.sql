-- Expand: who may reach a chart in an emergency, who reads and reviews that, and who sees who reaches a chart.
insert into role_permissions (role, permission) values
  ('patient', 'access:read:own'),
  ('patient', 'breakglass:read:own'),
  ('doctor', 'breakglass:write:any'),
  ('doctor', 'breakglass:read:assigned'),
  ('auditor', 'breakglass:read:any'),
  ('auditor', 'breakglass:review:any'),
  ('admin', 'access:read:any'),
  ('admin', 'breakglass:write:any'),
  ('admin', 'breakglass:read:any'),
  ('admin', 'breakglass:review:any')
on conflict do nothing;

-- So that sessions that are out take it up.
update roles set version = version + 1 where role in ('patient', 'doctor', 'auditor', 'admin');
