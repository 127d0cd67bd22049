-- Expand: lists by status, and who reaches a merged chart, cost what they answer, not what there is. A version that runs without
-- this file lists as before.

-- Of a status that few rows have, and in the order of the list: of everyone, and of a patient.
create index prescriptions_by_status on prescriptions (status, start_date desc, id desc);
create index prescriptions_of_patient_by_status on prescriptions (patient_id, status, start_date desc, id desc);
create index claims_by_status on claims (status, updated_at desc, id desc);
create index claims_of_patient_by_status on claims (patient_id, status, updated_at desc, id desc);

-- As 0009 has it. The patients of somebody who has few are looked up among the merged ones: joined, the plan that is kept for all
-- users read every merge.
create or replace function patients_by_merge(by_user uuid, in_scope text) returns setof uuid language plpgsql stable rows 10 as $$
begin
  if not exists (select from patient_merges) then return; end if;
  if (select count(*) from (select from patient_access where user_id = by_user and scope = in_scope limit 251) reached) <= 250 then
    return query
      select distinct o.from_id
        from patient_access a
       cross join lateral (select x.into_id from patient_merges x where x.from_id = a.patient_id offset 0) m
       cross join lateral (select y.from_id from patient_merges y where y.into_id = m.into_id offset 0) o
       where a.user_id = by_user and a.scope = in_scope
         and not exists (select from patient_access d
                          where d.patient_id = o.from_id and d.user_id = by_user and d.scope = in_scope);
    return;
  end if;
  return query
    select distinct y.from_id
      from patient_access a join patient_merges x on x.from_id = a.patient_id join patient_merges y on y.into_id = x.into_id
     where a.user_id = by_user and a.scope = in_scope
       and not exists (select from patient_access d
                        where d.patient_id = y.from_id and d.user_id = by_user and d.scope = in_scope);
end $$;

-- As 0009 has it, as many rows read in a table of any size.
create or replace function reached_by_merge(patient uuid, by_user uuid, in_scope text) returns boolean language plpgsql stable as $$
begin
  return exists (select from patient_merges x
                  cross join lateral (select y.from_id from patient_merges y where y.into_id = x.into_id offset 0) o
                  cross join lateral (select from patient_access a
                                       where a.patient_id = o.from_id and a.user_id = by_user and a.scope = in_scope offset 0) r
                  where x.from_id = patient);
end $$;

-- One plan each for all values: planning costs many times what they do, and Postgres would go on to plan each call.
alter function reached_by_merge(uuid, uuid, text) set plan_cache_mode = force_generic_plan;
alter function patients_by_merge(uuid, text) set plan_cache_mode = force_generic_plan;
alter function merged_chart(uuid) set plan_cache_mode = force_generic_plan;
