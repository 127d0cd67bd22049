-- Expand: that anyone may register is a permission of guests, which admins may take.
insert into role_permissions (role, permission) values ('guest', 'account:register:own') on conflict do nothing;
update roles set version = version + 1 where role = 'guest';
