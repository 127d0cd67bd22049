import { z } from "zod";
import { instant, text } from "../fields.ts";
import { PageQuery, sealedPage } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

/** Emergency treatment (HL7 v3 PurposeOfUse): the only purpose that breaks the glass. */
export const EMERGENCY = "ETREAT";

export const NewBreakGlass = z.strictObject({
  purpose: z.literal(EMERGENCY),
  /** Why it cannot wait, as the patient and the auditor read it. Sealed, and never in an event. */
  reason: text(500).refine(
    (value) => [...value.replace(/\p{Cf}/gu, "").trim()].length >= 10,
    "must say why, in at least 10 characters",
  ),
});
export type NewBreakGlass = z.infer<typeof NewBreakGlass>;

/** `none`: nobody has looked at it yet. */
export const BreakGlassVerdict = z.enum(["none", "justified", "unjustified"]);
export type BreakGlassVerdict = z.infer<typeof BreakGlassVerdict>;

export const BreakGlassReview = z.strictObject({
  reviewed: BreakGlassVerdict.exclude(["none"]),
  note: text(2000).optional(),
});
export type BreakGlassReview = z.infer<typeof BreakGlassReview>;

export const BreakGlassView = z.object({
  id: Id,
  patientId: Id,
  userId: Id,
  user: personOf("userId"),
  purpose: z.literal(EMERGENCY),
  reason: z.string(),
  createdAt: instant,
  /** From then on the chart is out of reach again. */
  expiresAt: instant,
  /** How many parts of it the patient had closed to this person; null where that was not noted. */
  closedParts: z.int().nullable(),
  reviewed: BreakGlassVerdict,
  note: z.string().nullable(),
  reviewedBy: Id.nullable(),
  reviewer: personOf("reviewedBy"),
  reviewedAt: instant.nullable(),
});
export type BreakGlassView = z.infer<typeof BreakGlassView>;
export const BreakGlassPage = sealedPage(BreakGlassView);

export const BreakGlassListQuery = PageQuery.extend({
  patientId: Id.optional(),
  reviewed: BreakGlassVerdict.optional(),
}).strict();
export type BreakGlassListQuery = z.infer<typeof BreakGlassListQuery>;
