-- Expand: what was taken from someone, kept where a restore rewinds nothing, beside care_team_ends (0001): a restore takes it
-- again before anything opens. A version that runs without this file notes nothing here.

-- Whose account each patient's record was made by its last change; null: nobody's.
create table account_links (
  patient_id uuid primary key,
  user_id uuid,
  changed_at timestamptz not null
);

-- Rows that were hidden, of any table that has `hidden_at`.
create table hides (
  table_name text not null,
  row_id uuid not null,
  hidden_at timestamptz not null,
  primary key (table_name, row_id)
);
