-- Expand: what is due soon is noted for reminders (sys/0024) as it is written; what was written long before is found by these indexes.
-- Locks: prescriptions and appointments, each for its index, 1 s for a million rows.
create index prescriptions_ending on prescriptions (end_date, id) where status = 'active' and end_date is not null;
create index appointments_coming on appointments (starts_at, id) where status = 'booked';

-- Soon: within the longest time ahead of which anything is announced (90 days; the day after).
create trigger prescriptions_ending_inserted after insert on prescriptions for each row
  when (new.status = 'active' and new.end_date between current_date - 2 and current_date + 92)
  execute function note_prescription_end();
create trigger prescriptions_ending_updated after update on prescriptions for each row
  when (new.status = 'active' and new.end_date between current_date - 2 and current_date + 92)
  execute function note_prescription_end();
create trigger appointments_coming_inserted after insert on appointments for each row
  when (new.status = 'booked' and new.starts_at between now() - interval '1 day' and now() + interval '4 days')
  execute function note_appointment_start();
create trigger appointments_coming_updated after update on appointments for each row
  when (new.status = 'booked' and new.starts_at between now() - interval '1 day' and now() + interval '4 days')
  execute function note_appointment_start();

create trigger prescriptions_reminder_updated after update on prescriptions for each row
  when (old.status is distinct from new.status or old.end_date is distinct from new.end_date)
  execute function note_reminder_change();
create trigger prescriptions_reminder_deleted after delete on prescriptions for each row
  execute function note_reminder_change();
create trigger appointments_reminder_updated after update on appointments for each row
  when (old.status is distinct from new.status or old.starts_at is distinct from new.starts_at)
  execute function note_reminder_change();
create trigger appointments_reminder_deleted after delete on appointments for each row
  execute function note_reminder_change();
