-- Once, as superuser, in the database `postgres`: what PgBouncer may read to let MedVault's roles in, and nothing else.
-- Then: alter role medvault_pooler password '...', and in userlist.txt: "medvault_pooler" "..."
create role medvault_pooler login;
create schema medvault_pooler;
create function medvault_pooler.secret_of(of text, out name text, out secret text)
  language sql stable security definer set search_path = pg_catalog as $$
    select rolname, rolpassword from pg_authid
     where rolname = of and rolname ^@ 'medvault_' and rolcanlogin and not rolsuper
$$;
revoke all on function medvault_pooler.secret_of(text) from public;
grant usage on schema medvault_pooler to medvault_pooler;
grant execute on function medvault_pooler.secret_of(text) to medvault_pooler;
