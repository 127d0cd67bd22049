import type { Fact } from "./rule.ts";

const NOT_SIGNED_IN: ReadonlySet<string | null> = new Set(["guest", "service", null]);

/** Whose act it was, if somebody's who was signed in. */
export const personOf = ({ actorId, actorRole }: Fact): string | null =>
  NOT_SIGNED_IN.has(actorRole) ? null : actorId;

/** Whose act it was, if somebody's who works here. */
export const staffOf = (fact: Fact): string | null => (fact.actorRole === "patient" ? null : personOf(fact));

/** Something was done with charts, and not by their patients. */
export const staffOnCharts = (fact: Fact): string | null =>
  fact.outcome === "success" &&
  fact.patientIds.length > 0 &&
  (fact.producer === "records" || fact.producer === "files")
    ? staffOf(fact)
    : null;

/** Somebody signed in. */
export const SIGNED_IN = "medvault.auth.session.started.v1";
