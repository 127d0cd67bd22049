import { emit } from "@medvault/messaging";
import { inTransaction, withClient } from "@medvault/postgres";
import { type Disagreement, disagreementOf, isSameRow } from "./comparison.ts";
import * as store from "./expected-row.store.ts";
import { endFindings, type Finding, keepFindings } from "./finding.store.ts";
import { fold, nothingRead, type ReadLog, type RowCheck } from "./fold.service.ts";
import { isRestoreAwaited } from "./manifest.store.ts";
import { disagreesEvent } from "./row-check.events.ts";
import { basedEvent } from "./row-log.events.ts";

const SOURCE = "records";
const PAGE = 2_000;
/** Looked at again together, once the log has all that was on its way. */
const MAX_SUSPECTS = 10_000;
/** A row that is written all the time is left for the next check. */
const MAX_LOOKS = 4;
/** Of how many findings a check tells; above it says only how many there are. */
const MAX_TOLD = 1_000;
const DAY_MS = 24 * 3_600_000;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** What a check found, and what it could not say. */
export interface CheckedRows extends Omit<ReadLog, "next" | "isBased" | "lostLists"> {
  readonly isFull: boolean;
  rows: number;
  /** Of no event: watched as they were found at the first check. */
  adopted: number;
  /** Written so often meanwhile that nothing can be said of them yet. */
  busy: number;
  /** Expectations that we did not write; the next check reads the whole log. */
  forged: number;
  /** At most 1,000; `disagreeing` counts all. */
  readonly findings: Finding[];
  disagreeing: number;
}

/** Another check is running, of this or another process. */
export class CheckRunning extends Error {
  readonly kind = "unavailable";
  constructor() {
    super("another check of the rows is running: wait for its end, some minutes, and try again.");
  }
}

/** A restore has put rows back, and its event is on its way to the log. */
class RestoreNotLogged extends Error {
  readonly kind = "unavailable";
  constructor() {
    super("the log does not have the last restore yet: try again in a minute.");
  }
}

/**
 * Compares every row with what the log says that it was left as. `isFull`: reads the log from its
 * beginning, else from where the last check ended, but once a day. Each finding is told once. One
 * at a time. Throws CheckRunning, Unavailable, the signal's reason.
 */
export function checkRows(check: RowCheck, isFull: boolean): Promise<CheckedRows> {
  return withClient(check.pool, async (client) => {
    const lock = "hashtextextended('records/row-check', 0)";
    const { rows } = await client.query<{ held: boolean }>(`select pg_try_advisory_lock(${lock}) as held`);
    if (!rows[0]?.held) throw new CheckRunning();
    try {
      return await checkAlone(check, isFull);
    } finally {
      await client.query(`select pg_advisory_unlock(${lock})`);
    }
  });
}

async function checkAlone(check: RowCheck, isAskedFull: boolean): Promise<CheckedRows> {
  const { pool, key } = check;
  const progress = await store.loadProgress(pool, key);
  const last = progress?.fullAt?.getTime() ?? 0;
  const isFull = isAskedFull || Date.now() - last > DAY_MS;
  const fullAt = isFull ? new Date() : (progress?.fullAt ?? null);
  const read = nothingRead(isFull ? 0 : (progress?.next ?? 0), progress?.isBased ?? false);
  await fold(check, read, fullAt);
  const checked: CheckedRows = {
    ...{ ...read, isFull, rows: 0, adopted: 0, busy: 0, forged: 0 },
    ...{ findings: [], disagreeing: 0 },
  };
  for (const lost of read.lostLists.splice(0)) note(checked, lost);
  const work = { check, read, fullAt, checked };
  for (const table of check.tables) await compareTable(work, table);
  await end(work);
  return checked;
}

interface Work {
  readonly check: RowCheck;
  readonly read: ReadLog;
  readonly fullAt: Date | null;
  readonly checked: CheckedRows;
}

async function compareTable(work: Work, table: store.CheckedTable): Promise<void> {
  const { check, checked } = work;
  const suspects: string[] = [];
  const suspect = async (ids: readonly string[]) => {
    suspects.push(...ids);
    if (suspects.length >= MAX_SUSPECTS) await lookAgain(work, table, suspects.splice(0));
  };
  await inPages(check, async (after) => {
    const pairs = await store.expectedPage(check.pool, check.key, table, after, PAGE);
    const forged = pairs.filter(({ isForged }) => isForged).map(({ id }) => id);
    if (forged.length > 0) await store.dropForged(check.pool, table.kind, forged);
    checked.forged += forged.length;
    await suspect(
      pairs
        .filter(({ expected, found, isForged }) => isForged || disagreementOf(expected, found) !== null)
        .map(({ id }) => id),
    );
    return pairs;
  });
  await inPages(check, async (after) => {
    const rows = await store.rowPage(check.pool, table, after, PAGE);
    checked.rows += rows.length;
    check.onProgress("rows", checked.rows, checked.rows);
    await suspect(rows.filter(({ isExpected }) => !isExpected).map(({ id }) => id));
    return rows;
  });
  await lookAgain(work, table, suspects);
}

async function inPages(
  { signal, rest }: RowCheck,
  read: (after: string) => Promise<readonly { id: string }[]>,
): Promise<void> {
  for (let after: string | undefined = FIRST_ID; after !== undefined; ) {
    signal.throwIfAborted();
    const began = performance.now();
    const page = await read(after);
    after = page.length < PAGE ? undefined : page.at(-1)?.id;
    await rest(performance.now() - began);
  }
}

/**
 * Looks at rows again once the log has whatever was on its way when they were read: a row that is
 * still what it was then, and is not what the log says now, disagrees.
 */
async function lookAgain(work: Work, table: store.CheckedTable, ids: readonly string[]): Promise<void> {
  const { check, read, fullAt, checked } = work;
  let asked = [...new Set(ids)];
  for (let look = 1; asked.length > 0; look++) {
    if (look > MAX_LOOKS) {
      checked.busy += asked.length;
      return;
    }
    const before = await inSteps(asked, (some) => store.pairsOf(check.pool, check.key, table, some));
    const was = new Map(before.map(({ id, found }) => [id, found]));
    await check.log.settle();
    await fold(check, read, fullAt);
    const now = await inSteps(asked, (some) => store.pairsOf(check.pool, check.key, table, some));
    if (await isRestoreAwaited(check.pool)) throw new RestoreNotLogged();
    const wrong = now.filter(({ expected, found }) => disagreementOf(expected, found) !== null);
    const still = wrong.filter(({ id, found }) => isSameRow(was.get(id) ?? null, found));
    await judge(work, table, still);
    const judged = new Set(still.map(({ id }) => id));
    asked = wrong.filter(({ id }) => !judged.has(id)).map(({ id }) => id);
  }
}

async function inSteps<T>(
  ids: readonly string[],
  work: (some: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  const all: T[] = [];
  for (let at = 0; at < ids.length; at += PAGE) all.push(...(await work(ids.slice(at, at + PAGE))));
  return all;
}

async function judge({ check, read, checked }: Work, table: store.CheckedTable, pairs: store.Pair[]) {
  const adopted: store.Pair[] = [];
  const found = pairs.filter((pair) => {
    const isNew = !read.isBased && pair.found !== null;
    const isUnknown = pair.expected === null || read.unlistedRestores > 0;
    if (isNew && isUnknown) adopted.push(pair);
    return !(isNew && isUnknown);
  });
  await adopt(check, table, adopted);
  checked.adopted += adopted.length;
  const boxes = found.flatMap((pair) => (pair.found ? [pair.found.sha256] : []));
  const known = await store.knownBoxes(check.pool, boxes);
  for (const pair of found) {
    const what = disagreementOf(pair.expected, pair.found);
    if (what === null) continue;
    const isAnothers = what === "changed" && known.has(pair.found?.sha256 ?? "");
    note(checked, findingOf(table, pair, isAnothers ? "swapped" : what));
  }
}

function findingOf({ kind }: store.CheckedTable, pair: store.Pair, what: Disagreement): Finding {
  const { id, patientId, expected, found } = pair;
  return { kind, id, what, patientId, expectedRev: expected?.rev ?? null, foundRev: found?.rev ?? null };
}

function note(checked: CheckedRows, finding: Finding): void {
  checked.disagreeing += 1;
  if (checked.findings.length < MAX_TOLD) checked.findings.push(finding);
}

/** Before the first check has ended the log may say nothing of a row that was there before it. */
async function adopt({ pool, key }: RowCheck, { kind }: store.CheckedTable, pairs: store.Pair[]) {
  const rows = pairs.flatMap(({ id, patientId, found }) =>
    found ? [{ kind, id, patientId, ofRow: null, rev: found.rev, sha256: found.sha256 }] : [],
  );
  await inTransaction(pool, (tx) => store.expect(tx, key, rows, true));
}

async function end({ check, read, fullAt, checked }: Work): Promise<void> {
  const { pool, key } = check;
  const { findings, adopted, rows } = checked;
  await inTransaction(pool, async (tx) => {
    const untold = await keepFindings(tx, key, findings);
    await emit(tx, SOURCE, ...untold.map(disagreesEvent));
    if (!read.isBased) await emit(tx, SOURCE, basedEvent({ adopted, rows }));
    // What was forged is derived again from the whole log.
    const next = checked.forged > 0 ? 0 : read.next;
    await store.saveProgress(tx, key, { next, isBased: true, fullAt });
    await endFindings(tx, findings);
  });
  for (const name of ["entries", "missingEntries", "unlistedImports", "unlistedRestores"] as const)
    checked[name] = read[name];
}
