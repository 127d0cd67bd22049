import type { z } from "zod";
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

/**
 * Thresholds by the service's schema: its defaults, or what is given by the names of settings.
 * @throws RangeError for one that is none
 */
export function thresholdsOf(
  shape: Readonly<Record<string, z.ZodType>>,
  given: Readonly<Record<string, string>>,
): AlertSettings {
  const names: readonly string[] = Object.values(NAMES);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new RangeError(`there is no threshold ${unknown}: it is one of ${names.join(", ")}`);
  const values = names.map((name) => {
    const parsed = shape[name]?.safeParse(given[name]);
    if (parsed?.success) return [name, parsed.data];
    throw new RangeError(`${name} cannot be ${given[name]}: ${parsed?.error.issues[0]?.message}`);
  });
  return alertSettings(Object.fromEntries(values) as AuditConfig);
}
