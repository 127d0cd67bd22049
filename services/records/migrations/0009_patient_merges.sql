-- Expand: two charts of one person become one, and two again (services/records/README.md, "Two charts of one person"). A merge is
-- an alias: every row stays under the patient whose key sealed it. Every chart of a merge has a row here, the surviving one too
-- (`from_id` = `into_id`), so that `into_id` names all of its members. It is flat: nothing is merged into what is merged itself.
-- A version that runs without this file sees two charts.
create table patient_merges (
  from_id uuid primary key references patients (id) on delete cascade,
  into_id uuid not null references patients (id) on delete cascade,
  merged_by uuid not null,
  merged_at timestamptz not null
);
create index patient_merges_by_into on patient_merges (into_id);

-- Who reaches one chart of a merge (`patient_access`) reaches all of it. Functions, because their plans are kept: joins in the
-- view would cost every statement on patients half a millisecond of planning, where nothing is merged too. Their search path is
-- the caller's: a restore renames the schema.

-- Whether this user reaches another chart of the patient's merge in this scope.
create function reached_by_merge(patient uuid, by_user uuid, in_scope text) returns boolean language plpgsql stable as $$
begin
  return exists (select from patient_merges x join patient_merges y on y.into_id = x.into_id
                   join patient_access a on a.patient_id = y.from_id
                  where x.from_id = patient and a.user_id = by_user and a.scope = in_scope);
end $$;

-- The patients whom this user reaches by a merge alone.
create function patients_by_merge(by_user uuid, in_scope text) returns setof uuid language plpgsql stable rows 10 as $$
begin
  if not exists (select from patient_merges) then return; end if;
  return query
    select distinct y.from_id
      from patient_access a join patient_merges x on x.from_id = a.patient_id join patient_merges y on y.into_id = x.into_id
     where a.user_id = by_user and a.scope = in_scope
       and not exists (select from patient_access d
                        where d.patient_id = y.from_id and d.user_id = by_user and d.scope = in_scope);
end $$;

-- The merge that a patient is in: the surviving one, those merged into it in their order, and whose account it is; else null.
create function merged_chart(patient uuid) returns jsonb language plpgsql stable as $$
begin
  return (select jsonb_build_object(
                   'id', y.into_id,
                   'mergedFrom', jsonb_agg(y.from_id order by y.merged_at, y.from_id) filter (where y.from_id <> y.into_id),
                   'userId', max(p.user_id::text))
            from patient_merges x join patient_merges y on y.into_id = x.into_id join patients p on p.id = y.from_id
           where x.from_id = patient group by y.into_id having count(*) > 1);
end $$;

-- Those in whose merge another has a name with these tokens: what was prescribed under one is found by the names of all.
create function patients_by_merged_name(names bigint[], added text[]) returns setof uuid language plpgsql stable rows 10 as $$
begin
  if not exists (select from patient_merges) then return; end if;
  return query
    select distinct o.from_id
      from patients n join patient_merges m on m.from_id = n.id
      join patient_merges o on o.into_id = m.into_id and o.from_id <> n.id
     where (names is null or n.name_tokens @> names)
       and (added is null or (n.added_tokens <> '{}' and n.added_tokens @> added));
end $$;
