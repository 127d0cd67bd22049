import { type AlertRule, INTEGRITY_FAILED, INTEGRITY_FAULTS } from "@medvault/contracts";
import { atOnce, counted } from "./counted.ts";
import { CONDITION, type Fact, HOUR_MS, type Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { span } from "./words.ts";

const DAY_MS = 24 * HOUR_MS;
/** A row that does not open, or that is not the one that the log says. */
const DAMAGED = /^medvault\.([a-z]+\.[a-z-]+\.damaged|records\.row\.disagrees)\.v1$/;
const KEYS_OVERDUE = /^medvault\.[a-z]+\.keys\.overdue\.v1$/;

/** What MedVault's own parts say of themselves, and states that last (`condition.service.ts`). */
export const systemRules = ({ checkpointMinutes }: AlertSettings): Rule[] => [
  atOnce({
    name: "integrity_failed",
    coverMs: HOUR_MS,
    occurrence: (fact) =>
      fact.type === INTEGRITY_FAILED || DAMAGED.test(fact.type) || isOtherHistory(fact)
        ? { cause: { subject: `producer/${fact.producer}` }, weight: 1, words: faultOf(fact) }
        : stateOf(fact, "integrity_failed"),
    why: ({ cause, words }, hit) => `${cause.subject} found damage ${span(hit)}: ${words}`,
  }),
  // Numbers may be on their way: a gap counts that is seen three times.
  lasting("audit_gap", DAY_MS, 3, ({ subject }, words) => `events of ${subject} did not arrive: ${words}`),
  lasting("writer_refusing", HOUR_MS, 1, (_, words) => `the audit log is not written: ${words}`),
  lasting(
    "checkpoint_overdue",
    HOUR_MS,
    checkpointMinutes + 1,
    (_, words) => `no checkpoint was signed: ${words}`,
  ),
  atOnce({
    name: "backup_failed",
    coverMs: HOUR_MS,
    occurrence: (fact) =>
      fact.producer === "backup" &&
      fact.outcome === "failure" &&
      fact.type.startsWith("medvault.backup.backup.")
        ? { cause: { subject: fact.subject }, weight: 1, words: fact.data()?.decision.reason ?? "unknown" }
        : null,
    why: ({ cause, words }, hit) => `${cause.subject} failed ${span(hit)} (${words})`,
  }),
  lasting("backup_unverified", DAY_MS, 1, (_, words) => words),
  atOnce({
    name: "key_rotation_overdue",
    coverMs: DAY_MS,
    occurrence: (fact) =>
      KEYS_OVERDUE.test(fact.type)
        ? { cause: { subject: fact.subject }, weight: 1, words: "a shred waits for it" }
        : stateOf(fact, "key_rotation_overdue"),
    why: ({ cause, words }) => `the key of ${cause.subject} is to be rotated: ${words}`,
  }),
];

/** A state that was seen so often becomes an alert, and another one `coverMs` later. */
function lasting(
  name: AlertRule,
  coverMs: number,
  times: number,
  why: (cause: { readonly subject?: string }, words: string) => string,
): Rule {
  return counted({
    ...{ name, coverMs, threshold: times, windowMs: (times + 2) * 60_000 },
    occurrence: (fact) => stateOf(fact, name),
    why: ({ cause, words = "" }) => why(cause, words),
  });
}

/** A witness has cosigned what is no beginning of the log that it is shown now. */
const isOtherHistory = (fact: Fact): boolean =>
  fact.type === "medvault.audit.witness.refused.v1" &&
  ["witness_disagrees", "witness_ahead"].includes(fact.data()?.decision.reason ?? "");

const stateOf = (fact: Fact, rule: AlertRule) =>
  fact.type === `${CONDITION}${rule}`
    ? { cause: { subject: fact.subject }, weight: 1, words: fact.words ?? "" }
    : null;

function faultOf(fact: Fact): string {
  const { decision, details } = fact.data() ?? {};
  const code = decision?.reason ?? "";
  if (isOtherHistory(fact))
    return `the witness ${details?.witness ?? "of the log"} has cosigned another history of the log (${code})`;
  const words = Object.hasOwn(INTEGRITY_FAULTS, code)
    ? INTEGRITY_FAULTS[code as keyof typeof INTEGRITY_FAULTS]
    : `${fact.subject} is not as it was written (${code})`;
  return typeof details?.index === "number" ? `${words} (entry ${details.index})` : words;
}
