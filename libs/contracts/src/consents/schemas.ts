import { z } from "zod";
import { PURPOSES } from "../actor.ts";
import { instant } from "../fields.ts";
import { PageQuery, sealedPage } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

/** What of a chart a patient can close: every row of a type, or one row. */
export const ClosableType = z.enum(["record", "prescription", "appointment", "claim", "file"]);
export type ClosableType = z.infer<typeof ClosableType>;

export const ClosedPart = z.strictObject({ type: ClosableType, id: Id.optional() });
export type ClosedPart = z.infer<typeof ClosedPart>;

/**
 * Opens the chart to someone of the staff for a purpose; or closes a part of it to one of the care
 * team, for every purpose.
 */
export const NewConsent = z
  .strictObject({
    grantee: Id,
    purpose: z.enum(PURPOSES).exclude(["ETREAT"]).optional(),
    /** The part that is closed to them. Without it the chart is opened to them. */
    closes: ClosedPart.optional(),
    /** When it ends by itself; without it, when it is revoked. */
    expiresAt: instant.optional(),
  })
  .superRefine(({ purpose, closes }, context) => {
    if (closes && purpose)
      context.addIssue({
        code: "custom",
        path: ["purpose"],
        message: "is not given with closes: a closed part is closed for every purpose",
      });
    if (!closes && !purpose)
      context.addIssue({
        code: "custom",
        path: ["purpose"],
        message: "is needed: for what the chart is opened",
      });
  });
export type NewConsent = z.infer<typeof NewConsent>;

export const ConsentView = z.object({
  id: Id,
  patientId: Id,
  grantee: Id,
  granteeUser: personOf("grantee"),
  purpose: z.enum(PURPOSES).nullable(),
  closes: z.object({ type: ClosableType, id: Id.nullable() }).nullable(),
  expiresAt: instant.nullable(),
  /** The patient's account, or the admin who gave it for them. */
  givenBy: Id,
  giver: personOf("givenBy"),
  createdAt: instant,
});
export type ConsentView = z.infer<typeof ConsentView>;
export const ConsentPage = sealedPage(ConsentView);

export const ConsentListQuery = PageQuery.extend({ grantee: Id.optional() }).strict();
export type ConsentListQuery = z.infer<typeof ConsentListQuery>;
