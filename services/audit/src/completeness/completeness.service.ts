import type { Actor, AuditCompletenessPage } from "@medvault/contracts";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { requireWholeLog } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { listSequences } from "../log/sequence.store.ts";
import { completenessOf } from "./completeness.ts";

/** Producers times epochs; an epoch begins with a new machine, not with a restart. */
const MAX_SEQUENCES = 1_000;
const MAX_GAPS = 1_000;

/** What is missing of each producer's epochs. @throws Forbidden */
export async function listCompleteness(
  { pool, appender }: Context,
  actor: Actor,
): Promise<z.infer<typeof AuditCompletenessPage>> {
  requireWholeLog(actor);
  const sequences = await listSequences(pool, MAX_SEQUENCES, MAX_GAPS + 1);
  await appender.append(readingEvent(actor, "completeness", { details: { returned: sequences.length } }));
  return { items: sequences.map((sequence) => completenessOf(sequence, MAX_GAPS)), nextCursor: null };
}
