import { auditEvent, type NewEvent } from "@medvault/contracts";
import { type ResealedRow, type ResealOptions, reseal } from "@medvault/keys/operations";
import { emit } from "@medvault/messaging";
import type { Outcome } from "../lib/command.ts";
import { findTable, type ResealTable } from "./tables.ts";
import { type Work, withKeyring } from "./work.ts";

export interface ResealRange {
  readonly all: boolean;
  readonly after: string | undefined;
}

/** `keys reseal <table> [--all [--after <id>]]` */
export async function resealTable(
  work: Work,
  name: string | undefined,
  range: ResealRange,
): Promise<Outcome> {
  const found = await findTable(name, work.policyFile);
  return withKeyring(work.installation, found.service, async (place, keyring) => {
    let last = range.after ?? "";
    try {
      const options: ResealOptions = {
        signal: work.signal,
        all: range.all,
        ...(range.after === undefined ? {} : { after: range.after }),
        onRows: async (tx, rows) =>
          void (await emit(tx, found.service, ...rows.map((row) => resealedEvent(found, row)))),
        onProgress: (done, lastId) => {
          last = lastId;
          work.output.progress(`rows of ${name}`, done, done);
        },
      };
      const result = await reseal(place.pool, keyring, found.table, options);
      const { resealed, overtaken, refused } = result;
      return {
        lines: [
          `${name}: ${resealed} rows sealed again, ${overtaken} written by others meanwhile.`,
          ...refused.map((id) => `does not open: ${id}`),
        ],
        result: { table: name, ...result },
        ok: refused.length === 0,
      };
    } finally {
      if (work.signal.aborted && range.all && last) work.output.say(`To go on: --all --after ${last}`);
    }
  });
}

/**
 * The event by which a row that is rolled back later is found: it has the revision and the hash of
 * the box.
 */
function resealedEvent({ service, table, kind, isOfPatients }: ResealTable, row: ResealedRow): NewEvent {
  return auditEvent(null, {
    type: `medvault.${service}.keys.reseal.v1`,
    subject: `${kind}/${row.id}`,
    action: "keys:reseal",
    reason: "operator",
    patientIds: isOfPatients ? [row.subjectId] : [],
    details: { table: table.declaration.table, rev: row.rev, boxSha256: row.boxSha256 },
  });
}
