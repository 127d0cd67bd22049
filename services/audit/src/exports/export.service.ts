import type { Actor, AuditFilter, NewEvent } from "@medvault/contracts";
import type pg from "pg";
import { viewOf } from "../events/event.view.ts";
import { demandWholeLog } from "../events/events.service.ts";
import { rowsInOrder } from "../events/events.store.ts";
import { readingEvent } from "../events/reading.ts";
import type { BodySeal } from "../log/body-seal.ts";
import { tableSize } from "../log/log.store.ts";
import { CSV_HEADER, csvLine } from "./csv.ts";

const STEP_ROWS = 250;

export interface ExportParts {
  readonly pool: pg.Pool;
  readonly seal: BodySeal;
  readonly record: (event: NewEvent) => Promise<void>;
}

/** Exports of the log, streamed in the order of the log up to the size that it has when they begin. */
export function createExportService({ pool, seal, record }: ExportParts) {
  return {
    /** Resolves once the export's own event is durable; the pieces are text. */
    async begin(
      actor: Actor,
      filter: AuditFilter,
      format: "ndjson" | "csv",
    ): Promise<AsyncGenerator<string>> {
      demandWholeLog(actor);
      const size = await tableSize(pool);
      await record(readingEvent(actor, "exported", { filter, details: { format, size } }));
      return pieces(filter, format, size);
    },
  };

  async function* pieces(
    filter: AuditFilter,
    format: "ndjson" | "csv",
    size: number,
  ): AsyncGenerator<string> {
    if (format === "csv") yield CSV_HEADER;
    for (let from = 0; from < size; ) {
      const rows = await rowsInOrder(pool, filter, from, size, STEP_ROWS);
      const views = rows.map((row) => viewOf(seal, row));
      yield views.map((view) => (format === "csv" ? csvLine(view) : `${JSON.stringify(view)}\n`)).join("");
      if (rows.length < STEP_ROWS) return;
      from = (rows.at(-1)?.idx ?? size) + 1;
    }
  }
}
export type ExportService = ReturnType<typeof createExportService>;
