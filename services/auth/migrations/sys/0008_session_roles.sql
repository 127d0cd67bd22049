-- Expand: the list of a role's sessions reads these alone. A version that runs without this file reads all live sessions for it.
create index sessions_live_of_role on sessions (role, id) where ended_at is null;
