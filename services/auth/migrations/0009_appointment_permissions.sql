-- Expand: who may read, book, move and delete appointments. A patient asks for their own, where the operator allows it, and cancels it.
insert into role_permissions (role, permission) values
  ('patient', 'appointment:read:own'),
  ('patient', 'appointment:write:own'),
  ('doctor', 'appointment:read:assigned'),
  ('doctor', 'appointment:write:assigned'),
  ('doctor', 'appointment:delete:assigned'),
  ('admin', 'appointment:read:any'),
  ('admin', 'appointment:write:any'),
  ('admin', 'appointment:delete:any')
on conflict do nothing;

-- So that sessions that are out take it up.
update roles set version = version + 1 where role in ('patient', 'doctor', 'admin');
