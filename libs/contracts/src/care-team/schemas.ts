import { z } from "zod";
import { instant } from "../fields.ts";
import { Id } from "../ids.ts";
import { ROLES } from "../permissions.ts";
import { personOf, type WithoutPeople } from "../person.ts";

export const CareTeamMember = z.object({
  userId: Id,
  user: personOf("userId"),
  addedBy: Id,
  addedByUser: personOf("addedBy"),
  addedAt: instant,
});
export type CareTeamMember = WithoutPeople<z.infer<typeof CareTeamMember>>;
export const CareTeamView = z.object({ items: z.array(CareTeamMember) });

/** One person onto the care teams of many patients, as when a clinic moves in. */
export const CareTeamAssignments = z.strictObject({
  userId: Id,
  patientIds: z.array(Id).min(1).max(500),
});
export type CareTeamAssignments = z.infer<typeof CareTeamAssignments>;
/** `notFound`: there is no such patient, or the caller may not know of them. */
export const CareTeamAssigned = z.object({
  assigned: z.int().nonnegative(),
  present: z.int().nonnegative(),
  notFound: z.array(Id),
});
export type CareTeamAssigned = z.infer<typeof CareTeamAssigned>;

/** The caller's own charts, and whom these name: what auth asks before it tells a patient names. */
export const KnownPeople = z.object({ patientIds: z.array(Id), ids: z.array(Id) });

/** What the files service asks before it touches a patient's file. */
export const AccessQuery = z.strictObject({
  action: z.enum(["read", "write", "delete"]),
  prescriptionId: Id.optional(),
});
export const AccessView = z.object({
  allowed: z.literal(true),
  patientId: Id,
  reason: z.string(),
  /** Whether staff made the record or treats the patient: only someone's own word otherwise. */
  vouched: z.boolean(),
  /** The ids that the patient's chart is kept under, the surviving one first. */
  chart: z.array(Id).min(1),
  /** What of it the patient closed to the caller: `<type>/<id>`, or `<type>/*`. */
  closed: z.array(z.string()),
});

/** Why someone can reach a chart, but for a role that reaches all. */
export const AccessReason = z.enum(["own", "assigned", "consent", "break_glass"]);
/** Someone who can reach a chart now. */
export const AccessRight = z.object({
  userId: Id,
  user: personOf("userId"),
  reason: AccessReason,
  since: instant,
  /** When it ends by itself; null: it does not. */
  until: instant.nullable(),
});
export type AccessRight = WithoutPeople<z.infer<typeof AccessRight>>;
/** Everyone who can reach a chart now: the people by name, and the roles that reach every chart. */
export const ChartAccess = z.object({ items: z.array(AccessRight), roles: z.array(z.enum(ROLES)) });
