-- Expand: who left a care team, kept where a restore rewinds nothing, so that a restored backup can end these
-- assignments again before anything opens (ARCHITECTURE.md, "Restore").
create table care_team_ends (
  patient_id uuid not null,
  user_id uuid not null,
  ended_at timestamptz not null,
  primary key (patient_id, user_id)
);
