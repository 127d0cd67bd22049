import { z } from "zod";
import { instant } from "../fields.ts";
import { Id } from "../ids.ts";
import { ROLES } from "../permissions.ts";

/** A token so begins; the rest is 256 random bits in hexadecimal digits. */
export const DELEGATION_PREFIX = "delegation.";
export const DelegationToken = z.string().regex(/^delegation\.[0-9a-f]{64}$/);

/** What a job may do in a person's name: of what they may do themselves at that moment. */
export const DELEGABLE = [
  ...["fhir:export", "file:read", "phi:unmask", "audit:read"],
  // what a chart's summary is made of
  ...["patient:read", "record:read", "prescription:read", "claim:read", "appointment:read"],
] as const;

/** For one chart alone, by the ids that it is kept under. */
export const NewDelegation = z.strictObject({ patientIds: z.array(Id).min(1).max(100) });
export const DelegationView = z.object({ token: DelegationToken, expiresAt: instant });

/** Whose it is, and what they may do now. */
export const DelegatedActor = z.object({
  id: Id,
  role: z.enum(ROLES),
  sessionId: z.string().max(100),
  permissions: z.array(z.string()),
  patientIds: z.array(Id).min(1),
});
export type DelegatedActor = z.infer<typeof DelegatedActor>;
