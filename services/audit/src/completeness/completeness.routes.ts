import { AuditCompletenessPage, type NewEvent } from "@medvault/contracts";
import { actorOf, allow } from "@medvault/service-kit";
import type { Router } from "express";
import type pg from "pg";
import { demandWholeLog } from "../events/events.service.ts";
import { readingEvent } from "../events/reading.ts";
import { completenessOf } from "./completeness.ts";
import { listSequences } from "./sequences.store.ts";

/** Producers times epochs; an epoch begins with a new machine, not with a restart. */
const MAX_SEQUENCES = 1_000;
const MAX_GAPS = 1_000;

/** GET /v1/audit/completeness. */
export function completenessRoutes(
  router: Router,
  pool: pg.Pool,
  record: (event: NewEvent) => Promise<void>,
): void {
  router.get("/v1/audit/completeness", allow("audit:read"), async (req, res) => {
    const actor = actorOf(req);
    demandWholeLog(actor);
    const sequences = await listSequences(pool, MAX_SEQUENCES, MAX_GAPS + 1);
    await record(readingEvent(actor, "completeness", { details: { returned: sequences.length } }));
    const items = sequences.map((sequence) => completenessOf(sequence, MAX_GAPS));
    res.json(AuditCompletenessPage.parse({ items, nextCursor: null }));
  });
}
