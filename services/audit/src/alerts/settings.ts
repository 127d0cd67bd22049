import type { AuditConfig } from "../config.ts";

const NAMES = {
  failedSignIns: "MEDVAULT_ALERT_FAILED_SIGN_INS",
  failedSignInsMinutes: "MEDVAULT_ALERT_FAILED_SIGN_INS_MINUTES",
  denials: "MEDVAULT_ALERT_DENIALS",
  denialsMinutes: "MEDVAULT_ALERT_DENIALS_MINUTES",
  guestAttacks: "MEDVAULT_ALERT_GUEST_ATTACKS",
  guestAttacksMinutes: "MEDVAULT_ALERT_GUEST_ATTACKS_MINUTES",
  patientsAnHour: "MEDVAULT_ALERT_PATIENTS_AN_HOUR",
  habitDays: "MEDVAULT_ALERT_HABIT_DAYS",
  travelKmh: "MEDVAULT_ALERT_TRAVEL_KMH",
  checkpointMinutes: "MEDVAULT_ALERT_CHECKPOINT_MINUTES",
  backupDays: "MEDVAULT_ALERT_BACKUP_DAYS",
  keyDays: "MEDVAULT_ALERT_KEY_DAYS",
} as const satisfies Readonly<Record<string, keyof AuditConfig>>;

/** Thresholds of the rules. */
export type AlertSettings = { readonly [K in keyof typeof NAMES]: AuditConfig[(typeof NAMES)[K]] };

export const alertSettings = (config: AuditConfig): AlertSettings =>
  Object.fromEntries(Object.entries(NAMES).map(([name, key]) => [name, config[key]])) as AlertSettings;
