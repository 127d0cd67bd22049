-- Locks: creates a table and functions only; nothing that is read or written before is locked.
-- Expand: what a patient opens and closes (services/records/README.md, "Consent"). A row opens the chart to its grantee for a
-- purpose, for reading; or, where it names a part, closes that part to a member of the care team, for every purpose. It is hidden
-- once it is revoked, and stays hidden after a restore (records_sys.hides).
create table consents (
  id uuid primary key,
  patient_id uuid not null references patients (id) on delete cascade,
  grantee uuid not null,
  purpose text,
  part_type text,
  part_id uuid,
  expires_at timestamptz,
  given_by uuid not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  hidden_at timestamptz,
  rev integer not null check (rev >= 1),
  open jsonb not null,
  sealed bytea not null,
  sealed_as jsonb,
  -- Opens for a purpose, or closes a part.
  check ((part_type is null) <> (purpose is null)),
  check (part_id is null or part_type is not null)
);
create index consents_by_patient on consents (patient_id, created_at desc, id desc);
create index consents_latest on consents (created_at desc, id desc);
create index consents_opening on consents (grantee, patient_id) where part_type is null and hidden_at is null;
create index consents_closing on consents (grantee, part_type, patient_id) where part_type is not null and hidden_at is null;

-- The decision, where it is not by the care team or the account alone (services/records/src/access/reach.ts). A scope is `own`;
-- `lasting`, the care team; `assigned`, that and who broke the glass; `reading:<purpose>`, that and whom the patient opened the
-- chart to for it. Who reaches one chart of a merge reaches all of it. Functions, because their plans are kept, and because they are
-- called for rare rows only. Their search path is the caller's: a restore renames the schema. They take the place of
-- `patient_access`, `reached_by_merge` and `patients_by_merge`, which the version before this file uses.

-- A patient's id and those of all in a merge with them.
create function chart_ids(patient uuid) returns uuid[] language sql stable as $$
  select array(select patient
               union select y.from_id
                 from (select m.into_id from patient_merges m where m.from_id = patient offset 0) x
                cross join lateral (select m.from_id from patient_merges m where m.into_id = x.into_id offset 0) y)
$$;

-- Whether this user broke the glass of a chart, for as long as that lasts.
create function glass_is_broken(ids uuid[], by_user uuid) returns boolean language sql stable as $$
  select exists (select from break_glass b where b.user_id = by_user and b.patient_id = any(ids) and b.expires_at > now())
$$;

-- Whether this user is on the care team of one of them. Each is looked up: Postgres would read all whom the user treats.
create function is_on_team(ids uuid[], by_user uuid) returns boolean language sql stable as $$
  select exists (select from unnest(ids) as i (id)
                  cross join lateral (select from care_team c where c.patient_id = i.id and c.user_id = by_user limit 1) c)
$$;

create function reached_otherwise(patient uuid, by_user uuid, in_scope text) returns boolean language plpgsql stable as $$
declare
  ids uuid[] := chart_ids(patient);
begin
  if in_scope = 'own' then
    return exists (select from patients p where p.id = any(ids) and p.user_id = by_user);
  end if;
  return is_on_team(ids, by_user)
      or (in_scope <> 'lasting' and glass_is_broken(ids, by_user))
      or (in_scope like 'reading:%' and exists (
            select from consents c
             where c.grantee = by_user and c.patient_id = any(ids) and c.part_type is null and c.hidden_at is null
               and (c.expires_at is null or c.expires_at > now()) and c.purpose = split_part(in_scope, ':', 2)));
end $$;

-- The patients whom this user reaches by a merge, an emergency or a consent alone, each once.
create function patients_otherwise(by_user uuid, in_scope text) returns setof uuid language plpgsql stable rows 10 as $$
begin
  if not exists (select from patient_merges)
     and not exists (select from break_glass b where b.user_id = by_user and b.expires_at > now())
     and not exists (select from consents c where c.grantee = by_user and c.part_type is null and c.hidden_at is null) then
    return;
  end if;
  return query
    with given as materialized (
      select b.patient_id from break_glass b
       where b.user_id = by_user and b.expires_at > now() and in_scope not in ('own', 'lasting')
      union
      select c.patient_id from consents c
       where c.grantee = by_user and c.part_type is null and c.hidden_at is null
         and (c.expires_at is null or c.expires_at > now())
         and in_scope = 'reading:' || c.purpose),
    merged as (
      -- Each is looked up: of a few patients too Postgres would read all merges.
      select y.from_id as patient_id
        from (select c.patient_id from care_team c where c.user_id = by_user and in_scope <> 'own'
              union all select p.id from patients p where p.user_id = by_user and in_scope = 'own'
              union all select g.patient_id from given g) a
        cross join lateral (select m.into_id from patient_merges m where m.from_id = a.patient_id offset 0) x
        cross join lateral (select m.from_id from patient_merges m where m.into_id = x.into_id offset 0) y)
    select o.patient_id from (select g.patient_id from given g union select m.patient_id from merged m) o
     where not exists (select from care_team c
                        where c.patient_id = o.patient_id and c.user_id = by_user and in_scope <> 'own')
       and not exists (select from patients p where p.id = o.patient_id and p.user_id = by_user and in_scope = 'own');
end $$;

-- Why this user reaches a chart that they do reach, where it is not by its care team alone: an emergency comes first.
create function basis_of(patient uuid, by_user uuid, in_scope text) returns text language plpgsql stable as $$
declare
  ids uuid[] := chart_ids(patient);
begin
  return case when in_scope in ('any', 'own', 'lasting') then null
              when glass_is_broken(ids, by_user) then 'break_glass'
              when is_on_team(ids, by_user) then null
              else 'consent' end;
end $$;

-- Whether the patient closed a part of the chart to this user: every row of a type, or one row. An emergency goes over it, but for
-- what outlives it (`goes_over` false).
create function is_closed(patient uuid, to_user uuid, part text, row_id uuid, goes_over boolean) returns boolean language plpgsql stable as $$
declare
  ids uuid[] := chart_ids(patient);
begin
  return exists (select from consents c
                  where c.grantee = to_user and c.part_type = part and c.patient_id = any(ids) and c.hidden_at is null
                    and (c.expires_at is null or c.expires_at > now()) and (c.part_id is null or c.part_id = row_id))
     and not (goes_over and glass_is_broken(ids, to_user));
end $$;

-- What of a chart is closed to this user now, as `<type>/<id>` or, for all of a type, `<type>/*`.
create function closed_parts(patient uuid, to_user uuid, goes_over boolean) returns text[] language plpgsql stable as $$
declare
  ids uuid[] := chart_ids(patient);
begin
  if goes_over and glass_is_broken(ids, to_user) then return '{}'; end if;
  return array(select distinct c.part_type || '/' || coalesce(c.part_id::text, '*') from consents c
                where c.grantee = to_user and c.part_type is not null and c.patient_id = any(ids) and c.hidden_at is null
                  and (c.expires_at is null or c.expires_at > now()));
end $$;
