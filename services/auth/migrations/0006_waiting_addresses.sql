-- Expand: changes of address by admins, which wait. A new column only.
--
-- When such a change takes effect unless the old address objects: only to find the due ones. The row's box says the
-- same, and it is the box that counts.
alter table users add column address_due timestamptz;
create index users_address_due on users (address_due, id) where address_due is not null;
