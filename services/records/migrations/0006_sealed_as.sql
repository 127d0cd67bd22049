-- Expand: what a box was sealed with, where a restore has set a column beside it since (libs/keys, "resettable"): whose account
-- a patient's record is, and that a record is hidden. A version that runs without this file leaves the column out and finds
-- such rows forged: finish the upgrade before you restore.

alter table patients add column sealed_as jsonb;
alter table medical_records add column sealed_as jsonb;
