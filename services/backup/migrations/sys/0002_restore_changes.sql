-- Expand: what a restore undoes is counted, and kept in a backup. A version that runs without this file asks for restores only.

alter table restores
  -- preview: all but the fence and the swap
  add column kind text not null default 'restore' check (kind in ('restore', 'preview')),
  add column without_safety_backup boolean not null default false,
  -- of what was there, under the fence
  add column safety_backup_id uuid,
  -- counts of rows, by table: what the live tables had that the backup has not, or otherwise, or that only the backup has
  add column changes jsonb;
