-- Expand: what was taken before 0002 could note it, from the tables as they are: a restore of a backup that was made before the
-- upgrade takes that again too. Where the tables are not made yet, nothing was.
do $$
begin
  if to_regclass('records.medical_records') is not null then
    insert into hides (table_name, row_id, hidden_at)
    select 'medical_records', id, hidden_at from records.medical_records where hidden_at is not null
    on conflict do nothing;
    insert into account_links (patient_id, user_id, changed_at)
    select id, user_id, updated_at from records.patients
    on conflict do nothing;
  end if;
end $$;
