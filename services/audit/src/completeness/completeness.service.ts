import { type Actor, type AuditCompletenessPage, Unavailable } from "@medvault/contracts";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { requireWholeLog } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { completenessOf } from "./completeness.ts";

/** Producers times epochs; an epoch begins with a new machine, not with a restart. */
const MAX_SEQUENCES = 1_000;
const MAX_GAPS = 1_000;
/** Entries that are counted for an answer; a job has counted all but the latest. */
const MAX_COUNTED = 50_000;

/** What is missing of each producer's epochs, as the log's entries say it. @throws Forbidden */
export async function listCompleteness(
  { arrivals, appender }: Context,
  actor: Actor,
): Promise<z.infer<typeof AuditCompletenessPage>> {
  requireWholeLog(actor);
  if (!(await arrivals.catchUp(MAX_COUNTED))) {
    throw new Unavailable("The entries of the log are being counted. Try again in a minute.", 60);
  }
  const items = [...arrivals.arrivals.values()]
    .sort((a, b) => (a.producer === b.producer ? b.epoch - a.epoch : a.producer < b.producer ? -1 : 1))
    .slice(0, MAX_SEQUENCES)
    .map((arrival) => completenessOf(arrival, MAX_GAPS));
  await appender.append(readingEvent(actor, "completeness", { details: { returned: items.length } }));
  return { items, nextCursor: null };
}
