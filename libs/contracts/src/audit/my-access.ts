import { z } from "zod";
import { Instant, PageQuery, page } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";
import { AuditOutcome } from "./schemas.ts";

/** Of the caller's own charts. `from` is included, `to` is not. `limit` is of visits. */
export const MyAccessQuery = PageQuery.extend({
  actorId: z.string().min(1).max(100).optional(),
  from: Instant.optional(),
  to: Instant.optional(),
});
export type MyAccessQuery = z.infer<typeof MyAccessQuery>;

/** A code of the log, and what it means in words. */
const Worded = z.object({ code: z.string(), words: z.string() });

/**
 * One act on a chart of the caller's own. `hasProof`: the entry names nobody's chart but the
 * caller's, so that `GET /v1/audit/events/{id}/proof` shows it to them. Null `outcome`: the stored
 * entry is damaged, and nothing is known of the act but its time and kind.
 */
export const AccessAct = z.object({
  id: Id,
  time: Instant,
  type: z.string(),
  words: z.string(),
  outcome: AuditOutcome.nullable(),
  hasProof: z.boolean(),
});

/**
 * What one person did with the caller's charts, with less than 30 minutes between two acts, newest
 * first. `actorId` null: MedVault itself. `reachedBy` is why they could, as it was decided then;
 * `offCareTeam` whether any of it was reached otherwise than by a place on the care team;
 * `breakGlass` whether any of it was in an emergency; `refused` how many acts were refused.
 */
export const AccessVisit = z.object({
  actorId: z.string().nullable(),
  actor: personOf("actorId"),
  role: z.string().nullable(),
  isYou: z.boolean(),
  firstAt: Instant,
  lastAt: Instant,
  purposes: z.array(Worded),
  reachedBy: z.array(Worded),
  offCareTeam: z.boolean(),
  breakGlass: z.boolean(),
  count: z.int().positive(),
  refused: z.int().nonnegative(),
  kinds: z.array(z.object({ type: z.string(), words: z.string(), count: z.int().positive() })),
  events: z.array(AccessAct),
});
export type AccessVisit = z.input<typeof AccessVisit>;
export const MyAccessPage = page(AccessVisit);
