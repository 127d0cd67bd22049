import { z } from "zod";
import { text } from "../fields.ts";
import { Instant, PageQuery, page } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

/** What the audit service looks for in its log; services/audit/README.md says when each fires. */
export const ALERT_RULES = [
  ...(["failed_sign_ins", "failed_sign_ins_from_address", "denials"] as const),
  ...(["injection", "guest_attacks"] as const),
  ...(["session_address_changed", "session_agent_changed", "session_limit", "refresh_reused"] as const),
  ...(["mfa_bypass", "new_country", "impossible_travel"] as const),
  ...(["break_glass", "many_patients", "unusual_hour", "off_care_team"] as const),
  ...(["own_chart", "colleague_chart", "family_name_chart"] as const),
  ...(["integrity_failed", "audit_gap", "writer_refusing", "checkpoint_overdue"] as const),
  ...(["backup_failed", "backup_unverified", "key_rotation_overdue"] as const),
] as const;
export const AlertRule = z.enum(ALERT_RULES);
export type AlertRule = z.infer<typeof AlertRule>;

export const AlertSeverity = z.enum(["low", "medium", "high", "critical"]);
export type AlertSeverity = z.infer<typeof AlertSeverity>;
export const AlertState = z.enum(["open", "acknowledged", "closed"]);
export type AlertState = z.infer<typeof AlertState>;

/**
 * Whom or what it is about, by ids alone: an account, a patient, an address, or a part of MedVault
 * (`subject`, such as `producer/records`). `guests` stands for all who are not signed in.
 */
export const AlertCause = z.object({
  actorId: z.string().nullable(),
  actor: personOf("actorId"),
  patientId: Id.nullable(),
  address: z.string().nullable(),
  subject: z.string().nullable(),
});

/**
 * One cause of one rule in one window of time. `firstAt` and `lastAt` are times of its events,
 * `count` is how many there were, `events` the ids of the first of them in the log. `revision` and
 * the ETag count what people changed, not what the rule found since.
 */
export const AlertView = z.object({
  id: Id,
  rule: AlertRule,
  severity: AlertSeverity,
  state: AlertState,
  cause: AlertCause,
  openedAt: Instant,
  firstAt: Instant,
  lastAt: Instant,
  count: z.int().positive(),
  events: z.array(Id),
  why: z.string(),
  whatToDo: z.string(),
  note: z.string().nullable(),
  changedBy: z.string().nullable(),
  changer: personOf("changedBy"),
  changedAt: Instant.nullable(),
});
export type AlertView = z.input<typeof AlertView>;
export const AlertPage = page(AlertView);

/** Newest first. `from` and `to` are of `openedAt`; `from` is included, `to` is not. */
export const AlertListQuery = PageQuery.extend({
  state: AlertState.optional(),
  rule: AlertRule.optional(),
  severity: AlertSeverity.optional(),
  from: Instant.optional(),
  to: Instant.optional(),
});
export type AlertListQuery = z.infer<typeof AlertListQuery>;

/** `note` says what was found or done; left out, the one before stays. */
export const AlertPatch = z.strictObject({ state: AlertState, note: text(2_000).optional() });
export type AlertPatch = z.infer<typeof AlertPatch>;
