-- Expand: the list of disabled accounts, and the directory of those who work here, read these alone. A version that runs without
-- this file reads all accounts for them.
create index users_disabled on users (id) where disabled;
create index users_staff on users (role, id) where role <> 'patient' and not disabled and activated;
