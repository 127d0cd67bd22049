import type { AlertRule } from "@medvault/contracts";
import { CONDITION, type Fact } from "./rule.ts";

/** A state of MedVault that should not last; `subject`: which part it is about. */
export interface Condition {
  readonly rule: AlertRule;
  readonly subject: string;
  readonly words: string;
}

/** A state as rules see it. */
export const stateFact = ({ rule, subject, words }: Condition, now: Date): Fact => ({
  id: `${CONDITION}${rule}/${now.getTime()}`,
  type: `${CONDITION}${rule}`,
  at: now.getTime(),
  ...{ subject, words, producer: "audit", actorId: null, actorRole: null, patientIds: [] },
  ...{ outcome: "failure", ip: null, data: () => null },
});
