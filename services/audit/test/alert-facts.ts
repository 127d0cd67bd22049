import { newId } from "@medvault/contracts";
import type { Fact, Findings, OpenedAlert, Rule } from "../src/alerts/rule.ts";
import { judge, noFindings } from "../src/alerts/rule.ts";
import { type AlertSettings, thresholdsOf } from "../src/alerts/settings.ts";
import { createWindowCache } from "../src/alerts/window-cache.ts";
import { AuditConfig } from "../src/config.ts";

export const NOON = Date.UTC(2026, 4, 10, 12);
const MINUTE = 60_000;

/** The thresholds that a service has without settings. */
export const DEFAULTS: AlertSettings = thresholdsOf(AuditConfig.shape, {});

type Data = NonNullable<ReturnType<Fact["data"]>>;

/** A fact `minutes` after noon: a read of a chart by its doctor, unless said otherwise. */
export function fact(
  minutes: number,
  over: Partial<Omit<Fact, "data" | "at">> & { reason?: string; details?: Data["details"] } = {},
): Fact {
  const { reason = "assigned", details, ...rest } = over;
  return {
    id: newId(),
    type: "medvault.records.prescription.read.v1",
    at: NOON + minutes * MINUTE,
    producer: rest.type?.split(".")[1] ?? "records",
    actorId: "doctor-1",
    actorRole: "doctor",
    patientIds: [],
    subject: "prescription/1",
    outcome: "success",
    ip: "192.0.2.7",
    data: () => ({ decision: { allowed: true, reason }, details }) as Data,
    ...rest,
  };
}

/** What rules find in facts, as they come. */
export function found(rules: readonly Rule[], facts: readonly Fact[]): OpenedAlert[] {
  const memory = createWindowCache();
  const findings: Findings = noFindings();
  for (const one of facts) {
    for (const rule of rules) {
      const occurrence = rule.occurrence(one);
      if (occurrence) judge({ memory, findings, newId }, rule, one, occurrence);
    }
  }
  return [...findings.opened.values()];
}

/** The names of what was found, in order. */
export const namesOf = (alerts: readonly OpenedAlert[]): string[] => alerts.map(({ rule }) => rule).sort();
