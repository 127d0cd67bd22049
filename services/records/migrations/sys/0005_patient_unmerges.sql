-- Expand: which merges of charts were undone and not made again, kept where a restore rewinds nothing, beside care_team_ends
-- (0001): who reached a chart by such a merge does not reach it again by an older backup. A version that runs without this file
-- notes nothing.
create table patient_unmerges (
  from_id uuid not null,
  into_id uuid not null,
  unmerged_at timestamptz not null,
  primary key (from_id, into_id)
);
