import type { AuditEventView } from "@medvault/contracts";

/** What was done to data, as other systems' formats tell it apart. */
export type Activity = "create" | "read" | "update" | "delete" | "other";

const VERBS: Readonly<Record<string, Activity>> = Object.fromEntries(
  (
    [
      ["create", "created registered booked stored imported placed made issued assigned opened invited"],
      ["read", "read listed searched queried exported downloaded proved counted streamed verified"],
      ["read", "validated summarised unmasked completeness versions-read integrity-read slots-read"],
      ["update", "updated changed revised rescheduled cancelled confirmed approved rejected paid merged"],
      ["update", "unmerged signed submitted completed fulfilled acknowledged rotated enabled disabled"],
      ["delete", "deleted erased hidden revoked unassigned removed expired withdrawn retired lifted"],
    ] as const
  ).flatMap(([activity, verbs]) => verbs.split(" ").map((verb) => [verb, activity])),
);
const ACTIONS: Readonly<Record<string, Activity>> = { read: "read", write: "update", delete: "delete" };

/** The verb of `medvault.records.patient.read.v1`. */
export const verbOf = (type: string): string => type.split(".").at(-2) ?? type;

/** By the verb of the event's type, else by the permission that it needed. */
export function activityOf({ type, action }: AuditEventView): Activity {
  const verb = verbOf(type);
  if (Object.hasOwn(VERBS, verb)) return VERBS[verb] as Activity;
  const asked = action?.split(":")[1] ?? "";
  return Object.hasOwn(ACTIONS, asked) ? (ACTIONS[asked] as Activity) : "other";
}
