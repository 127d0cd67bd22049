import { type AccessVisit, type AuditEventView, wordsOfAct } from "@medvault/contracts";

const GAP_MS = 30 * 60_000;

const PURPOSES: Readonly<Record<string, string>> = {
  TREAT: "treatment",
  ETREAT: "treatment in an emergency",
  HPAYMT: "payment of care",
  HOPERAT: "running the practice or hospital",
  PATRQT: "at your own request",
  HLEGAL: "a legal duty",
  PUBHLTH: "public health",
};

/** Why someone reached a chart; a decision's other reasons are not shown. */
const REASONS: Readonly<Record<string, string>> = {
  own: "it is their own record",
  assigned: "on your care team",
  consent: "you opened your record to them",
  break_glass: "emergency access without being on your care team",
  role: "their role may use every record",
  any: "their role may use every record",
};
const OFF_CARE_TEAM: ReadonlySet<string | undefined> = new Set([
  ...["consent", "break_glass", "role", "any"],
  "not_found", // refused: they do not reach this chart
]);
const BREAKING = "medvault.records.breakglass.opened.v1";

const worded = (codes: ReadonlySet<string>, words: Readonly<Record<string, string>>) =>
  [...codes].map((code) => ({ code, words: words[code] ?? code }));

/**
 * Acts, newest first, as visits: at most `limit`, newest first by their last act. `taken` is how
 * many acts are in them: a visit that the end of a page cuts begins the next one again.
 */
export function visitsOf(
  acts: readonly AuditEventView[],
  limit: number,
  { callerId, charts }: { callerId: string; charts: ReadonlySet<string> },
): { visits: AccessVisit[]; taken: number } {
  const groups: AuditEventView[][] = [];
  const latest = new Map<string, AuditEventView[]>();
  let taken = 0;
  for (const act of acts) {
    const who = act.damaged ? "damaged" : `${act.actor?.role}/${act.actor?.id}`;
    const group = latest.get(who);
    const earliest = group?.at(-1);
    if (group && earliest && Date.parse(earliest.time) - Date.parse(act.time) < GAP_MS) group.push(act);
    else {
      if (groups.length === limit) break;
      const begun = [act];
      groups.push(begun);
      latest.set(who, begun);
    }
    taken += 1;
  }
  return { visits: groups.map((group) => visitOf(group, callerId, charts)), taken };
}

function visitOf(
  acts: readonly AuditEventView[],
  callerId: string,
  charts: ReadonlySet<string>,
): AccessVisit {
  const actor = acts[0]?.actor ?? null;
  const isYou = actor?.id === callerId;
  const reasons = new Set(acts.flatMap(({ decision }) => (actor && decision ? [decision.reason] : [])));
  const purposes = new Set(acts.flatMap(({ purpose }) => (purpose === null ? [] : [purpose])));
  const kinds = Map.groupBy(acts, ({ type }) => type);
  return {
    actorId: actor?.id ?? null,
    role: actor?.role ?? null,
    isYou,
    firstAt: acts.at(-1)?.time ?? "",
    lastAt: acts[0]?.time ?? "",
    purposes: worded(purposes, PURPOSES),
    reachedBy: worded(new Set([...reasons].filter((reason) => Object.hasOwn(REASONS, reason))), REASONS),
    offCareTeam: !isYou && [...reasons].some((reason) => OFF_CARE_TEAM.has(reason)),
    breakGlass: acts.some(({ type, decision }) => type === BREAKING || decision?.reason === "break_glass"),
    count: acts.length,
    refused: acts.filter(({ outcome }) => outcome === "denied").length,
    kinds: [...kinds].map(([type, of]) => ({ type, words: wordsOf(type), count: of.length })),
    events: acts.map(({ id, time, type, outcome, patientIds, damaged }) => ({
      ...{ id, time, type, outcome },
      words: damaged ? "this entry of the log is damaged: tell the practice or hospital" : wordsOf(type),
      hasProof: !damaged && namesOnly(patientIds, charts),
    })),
  };
}

const wordsOf = (type: string): string => wordsOfAct(type) ?? "did something with your record";

/** Whether an event is about these charts and nobody else's. */
export const namesOnly = (patientIds: readonly string[], charts: ReadonlySet<string>): boolean =>
  patientIds.length > 0 && patientIds.every((id) => charts.has(id.toLowerCase()));
