import { auditEvent, type NewEvent } from "@medvault/contracts";
import { type TokenTable, tokenColumns } from "@medvault/keys";
import { addTokenLayer, type RebuildStep, rebuildIndexes } from "@medvault/keys/operations";
import { emit } from "@medvault/messaging";
import type { ServiceName } from "@medvault/postgres";
import { type Outcome, UsageError } from "../lib/command.ts";
import { findTable, findTokenTable } from "./tables.ts";
import { type Work, withKeyring } from "./work.ts";

const SAID: Readonly<Record<RebuildStep, string>> = {
  begun: "every write has tokens of a new key, and the other rows are given them.",
  finished: "the new key finds every row, the old one is gone, and no token of it is left.",
};

/** `keys reindex <table>` */
export async function reindexTable(work: Work, name: string | undefined): Promise<Outcome> {
  const tokens = findTokenTable(name);
  return tokens ? layTokens(work, tokens) : reindexRows(work, name);
}

/**
 * Texts that are nowhere kept cannot be given new tokens: another key is laid over those that are
 * there.
 */
async function layTokens(work: Work, table: TokenTable): Promise<Outcome> {
  const service = table.service as ServiceName;
  return withKeyring(work.installation, service, async (place, keyring) => {
    const raised = await addTokenLayer(place.pool, keyring, table, {
      signal: work.signal,
      onStep: async (tx, step) => void (await emit(tx, service, reindexEvent(service, table.table, step))),
      onProgress: (done) => work.output.progress(`tokens of ${table.table}`, done, done),
    });
    return {
      lines: [`${table.table}: ${raised} tokens lie under one more key.`],
      result: { table: table.table, finished: true, written: raised },
    };
  });
}

async function reindexRows(work: Work, name: string | undefined): Promise<Outcome> {
  const { service, table } = await findTable(name, work.policyFile);
  if (tokenColumns(table.declaration).length === 0) throw new UsageError(`${name} has no blind index.`);
  return withKeyring(work.installation, service, async (place, keyring) => {
    const result = await rebuildIndexes(place.pool, keyring, table, {
      signal: work.signal,
      onStep: async (tx, step) => {
        await emit(tx, service, reindexEvent(service, table.declaration.table, step));
        work.output.say(`${name}: ${SAID[step]}`);
      },
      onProgress: (rows) => work.output.progress(`rows of ${name}`, rows, rows),
    });
    return {
      lines: [
        ...(result.finished
          ? []
          : [`${name}: these rows do not open, so the old key stays; see the runbook.`]),
        ...result.refused.map((id) => `does not open: ${id}`),
      ],
      result: { table: name, ...result },
      ok: result.finished && result.refused.length === 0,
    };
  });
}

function reindexEvent(service: string, table: string, step: RebuildStep): NewEvent {
  return auditEvent(null, {
    type: `medvault.${service}.keys.reindex.v1`,
    subject: `index/${table}`,
    action: "keys:reindex",
    reason: "operator",
    details: { table, step },
  });
}
