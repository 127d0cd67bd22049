-- Expand: subjects for whom no key is ever made again. A version that runs without this file erases nobody.

-- Beside `shreds`, which a later key of the same subject may follow: of these none does.
create table erased_subjects (
  subject_id uuid primary key,
  erased_at timestamptz not null default now()
);

-- A write that began before the erasure must not make a key for what it stores. It is after the insert, because an insert may wait
-- for an erasure that is under way: what that left is seen once it has ended.
create function refuse_erased_subject() returns trigger language plpgsql set search_path from current as $$
begin
  if exists (select from made join erased_subjects e using (subject_id)) then
    raise exception 'the subject was erased' using errcode = 'MVE01';
  end if;
  return null;
end
$$;
create trigger subject_keys_not_erased after insert on subject_keys
  referencing new table as made for each statement execute function refuse_erased_subject();
