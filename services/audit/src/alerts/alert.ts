import type { AlertRule, AlertSeverity, AlertState, AlertView } from "@medvault/contracts";
import type { NoteSeal } from "./note-seal.ts";
import { RULE_WORDS } from "./words.ts";

/** An alert as it is stored. */
export interface Alert {
  readonly id: string;
  readonly rule: AlertRule;
  readonly severity: AlertSeverity;
  readonly state: AlertState;
  readonly actorId: string | null;
  readonly patientId: string | null;
  readonly address: string | null;
  readonly subject: string | null;
  readonly openedAt: Date;
  readonly firstAt: Date;
  readonly lastAt: Date;
  readonly count: number;
  readonly events: readonly string[];
  readonly why: string;
  readonly rev: number;
  readonly note: Buffer | null;
  readonly changedBy: string | null;
  readonly changedAt: Date | null;
}

/** From which state to which: the same again adds a note. */
const NEXT: Readonly<Record<AlertState, readonly AlertState[]>> = {
  open: ["open", "acknowledged", "closed"],
  acknowledged: ["acknowledged", "open", "closed"],
  closed: ["closed", "open"],
};
export const mayBecome = (from: AlertState, to: AlertState): boolean => NEXT[from].includes(to);

/** As the API shows it. A note that does not open is not shown. */
export function viewOf(seal: NoteSeal, alert: Alert): AlertView {
  const { actorId, patientId, address, subject, rev, note, ...rest } = alert;
  return {
    ...rest,
    cause: { actorId, patientId, address, subject },
    openedAt: rest.openedAt.toISOString(),
    firstAt: rest.firstAt.toISOString(),
    lastAt: rest.lastAt.toISOString(),
    changedAt: rest.changedAt?.toISOString() ?? null,
    events: [...rest.events],
    whatToDo: RULE_WORDS[rest.rule].whatToDo,
    note: note === null ? null : seal.open(rest.id, rev, note),
  };
}
