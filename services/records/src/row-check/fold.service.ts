import type { RowEvent } from "@medvault/contracts";
import { inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import * as store from "./expected-row.store.ts";
import { type ExpectedRow, rowOfLine, type Told, toldBy } from "./expected-row.ts";
import type { Finding } from "./finding.store.ts";
import { manifestLines, noteLogged } from "./manifest.store.ts";
import type { RowLog } from "./row-log.ts";

/** What a check works with. */
export interface RowCheck {
  readonly pool: pg.Pool;
  /** The MAC key of what is expected; Postgres does not hold it. */
  readonly key: Buffer;
  readonly log: RowLog;
  readonly tables: readonly store.CheckedTable[];
  readonly signal: AbortSignal;
  /** How long to rest after work of so many ms: the check takes a part of the time. */
  readonly rest: (workedMs: number) => Promise<void>;
  readonly onProgress: (what: "entries" | "rows", done: number, of: number) => void;
}

/** What a check read of the log, and what the log could not say. */
export interface ReadLog {
  next: number;
  entries: number;
  isBased: boolean;
  /** Entries that cannot be read: dropped by retention, or damaged (audit says which). */
  missingEntries: number;
  /** Imports and restores from before their rows were listed. */
  unlistedImports: number;
  unlistedRestores: number;
  readonly lostLists: Finding[];
}

export const nothingRead = (next: number, isBased: boolean): ReadLog => ({
  ...{ next, isBased, entries: 0, missingEntries: 0 },
  ...{ unlistedImports: 0, unlistedRestores: 0, lostLists: [] },
});

/**
 * Reads the log from where `read` ended to its present end, and takes in what it says of rows: each
 * page with the place where it ends, in one transaction.
 */
export async function fold(check: RowCheck, read: ReadLog, fullAt: Date | null): Promise<void> {
  const { pool, key, log, signal } = check;
  const kinds = new Set(check.tables.map(({ kind }) => kind));
  for await (const page of log.pages(read.next)) {
    signal.throwIfAborted();
    const began = performance.now();
    // A log that is shorter than what was read of it was cut: audit raises that alarm.
    await inTransaction(pool, async (tx) => {
      await takeIn(tx, check, read, page.events, kinds);
      const next = Math.max(read.next, page.next);
      await store.saveProgress(tx, key, { next, isBased: read.isBased, fullAt });
    });
    read.entries += Math.max(0, page.next - read.next);
    read.next = Math.max(read.next, page.next);
    read.missingEntries += page.missing;
    check.onProgress("entries", page.next, page.size);
    await check.rest(performance.now() - began);
  }
}

async function takeIn(
  tx: Tx,
  check: RowCheck,
  read: ReadLog,
  events: readonly RowEvent[],
  kinds: ReadonlySet<string>,
): Promise<void> {
  const waiting: ExpectedRow[] = [];
  const flush = () => store.expect(tx, check.key, waiting.splice(0));
  for (const told of events.flatMap((event) => toldBy(event, kinds))) {
    if (told.what === "left") waiting.push(told.row);
    else {
      await flush();
      await takeOne(tx, check, read, told);
    }
  }
  await flush();
}

async function takeOne(
  tx: Tx,
  check: RowCheck,
  read: ReadLog,
  told: Exclude<Told, { what: "left" }>,
): Promise<void> {
  if (told.what === "deleted") {
    await store.expect(tx, check.key, [told.row]);
    if (told.withVersions) await store.forgetVersions(tx, told.row.id);
  } else if (told.what === "erased") await store.forgetPatients(tx, check.key, told.patientIds);
  else if (told.what === "listed") await takeList(tx, check, read, told);
  else if (told.what === "based") read.isBased = true;
  else if (told.isRestore) read.unlistedRestores += 1;
  else read.unlistedImports += 1;
}

async function takeList(
  tx: Tx,
  { key, tables }: RowCheck,
  read: ReadLog,
  { sha256, eventId, isExact, count }: Extract<Told, { what: "listed" }>,
): Promise<void> {
  if (count === 0) return;
  if (isExact) await noteLogged(tx, sha256);
  const kindOf = (name: string) => tables.find(({ kind, table }) => kind === name || table === name)?.kind;
  for await (const lines of manifestLines(tx, sha256)) {
    if (lines === null) {
      const lost = { kind: "row-list", id: eventId, what: "list_lost", patientId: null } as const;
      read.lostLists.push({ ...lost, expectedRev: null, foundRev: null });
      continue;
    }
    const rows = lines.map((line) => rowOfLine(line, kindOf)).filter((row) => row !== null);
    for (let at = 0; at < rows.length; at += LIST_STEP)
      await store.expect(tx, key, rows.slice(at, at + LIST_STEP), isExact);
  }
}

const LIST_STEP = 5_000;
