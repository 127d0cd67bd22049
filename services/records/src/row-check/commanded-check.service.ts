import { hash, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "@medvault/contracts";
import { type Keyring, tableKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type pg from "pg";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { checkedTables, MAC_KEY } from "./checked-tables.ts";
import type { RowCheck } from "./fold.service.ts";
import { type CheckedRows, checkRows } from "./row-check.service.ts";
import { askedEvent } from "./row-log.events.ts";
import type { RowLog } from "./row-log.ts";

export type { CheckedRows };

const LOGGED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;

/** What a command gives: the log as audit opens it, and whether it has an event. */
interface Commanded extends Pick<RowCheck, "pool" | "signal" | "onProgress">, Pick<RowLog, "pages"> {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly tables: readonly PatientTable<Row>[];
  readonly isLogged: (eventId: string) => Promise<boolean>;
}

/**
 * Compares all rows with the whole log, for an operator's command. Throws CheckRunning, Unavailable
 * (an event of ours does not reach the log), the signal's reason.
 */
export async function checkByCommand({
  keyring,
  pages,
  isLogged,
  ...given
}: Commanded): Promise<CheckedRows> {
  const { pool, signal } = given;
  const key = await tableKey(pool, keyring, MAC_KEY);
  async function settle(): Promise<void> {
    // Nobody has the ticket: it is the event's place in the log that counts.
    const event = askedEvent(hash("sha256", randomBytes(32), "hex"));
    const [id = ""] = await inTransaction(pool, (tx) => emit(tx, "records", event));
    const until = Date.now() + LOGGED_WITHIN_MS;
    while (!(await isLogged(id))) {
      if (Date.now() > until) throw new Unavailable();
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }
  try {
    const tables = checkedTables(given.tables);
    return await checkRows({ ...given, key, tables, log: { pages, settle }, rest: async () => {} }, true);
  } finally {
    key.fill(0);
  }
}
