-- Expand: reminders that were sent, or that nobody is to have, so that each is sent once however often it is announced. A version that
-- runs without this file sends none.
create table reminders (
  id uuid primary key,
  done_at timestamptz not null
);
create index reminders_done on reminders (done_at);
