-- Expand: indexes that an operator's policy adds to those of the first migrations, or has of another kind. Keyed tokens,
-- each with its field before it. A version that runs without this file writes none: run `keys reindex` after the upgrade.

alter table patients add column added_tokens text[] not null default '{}';
create index patients_by_added on patients using gin (added_tokens) where added_tokens <> '{}';

alter table prescriptions add column added_tokens text[] not null default '{}';
create index prescriptions_by_added on prescriptions using gin (added_tokens) where added_tokens <> '{}';
