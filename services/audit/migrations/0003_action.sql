-- Expand: the one filter of GET /v1/audit/events that had no index (0001). A version that runs without this file reads the whole log
-- for a rare action.
create index log_action on log (action, occurred_at, idx);
