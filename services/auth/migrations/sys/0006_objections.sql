-- Expand: links by which an address objects to its replacement.
alter table one_time_tokens
  drop constraint one_time_tokens_purpose_check,
  add constraint one_time_tokens_purpose_check
    check (purpose in ('mfa_login', 'password_reset', 'invitation', 'email_change', 'address_objection'));
