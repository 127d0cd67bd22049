import { randomUUID } from "node:crypto";
import { type AuditEventData, type CloudEvent, newId } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { afterCommit, inTransaction, type Tx } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import { splitBody } from "../log/entry.ts";
import { type LogRow, rowsFrom } from "../log/log.store.ts";
import { alertOpened } from "./alert.events.ts";
import { insertAlerts, touchAlerts } from "./alert.store.ts";
import {
  type CursorState,
  forgetWindows,
  idAt,
  lockCursor,
  moveCursor,
  readCursor,
  readWindows,
  releaseCursor,
  saveWindows,
  waitForCursor,
} from "./detection.store.ts";
import {
  type Fact,
  judge,
  keysOf,
  noFindings,
  type Occurrence,
  type OpenedAlert,
  type Rule,
} from "./rule.ts";
import { createWindowCache, type WindowCache } from "./window-cache.ts";

/** Entries that one transaction looks at. */
const BATCH = 500;
/** What guests can make windows of: so many of them are kept. */
const MAX_GUEST_WINDOWS = 100_000;
/** A log that is not the one that was read (it was healed) is read again from so far before. */
const READ_AGAIN = 10_000;

export type DetectionContext = Pick<LogContext, "pool" | "seal" | "logger" | "now">;

export interface DetectorOptions {
  readonly rules: readonly Rule[];
  /** How long a process that died keeps the others from the rules; default 5,000. */
  readonly leaseMs?: number;
  /** Called with alerts that are new, in the transaction that opens them. */
  readonly onOpened?: (tx: Tx, opened: readonly OpenedAlert[]) => Promise<void>;
}

/** Looks at the log with all rules, in its order, each entry once. */
export class Detector {
  readonly #context: DetectionContext;
  readonly #rules: readonly Rule[];
  readonly #owner = randomUUID();
  readonly #leaseMs: number;
  readonly #onOpened: NonNullable<DetectorOptions["onOpened"]>;
  #cache: WindowCache = createWindowCache();

  constructor(context: DetectionContext, options: DetectorOptions) {
    this.#context = context;
    this.#rules = options.rules;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#onOpened = options.onOpened ?? (async () => {});
  }

  /** Reads on until the end of the log, unless another process does. */
  async run(signal: AbortSignal): Promise<void> {
    const { pool } = this.#context;
    const cursor = await readCursor(pool, this.#owner, this.#leaseMs);
    if (!cursor?.isFree) return;
    if (cursor.size === cursor.idx && cursor.isOurs && !cursor.isRunningOut) return;
    while (!signal.aborted) {
      const looked = await this.#step();
      if (looked < BATCH) return;
    }
  }

  /** Forgets windows that are over. */
  async clean(): Promise<void> {
    const ofGuests = this.#rules.filter(({ isByGuests }) => isByGuests).map(({ name }) => name);
    await forgetWindows(this.#context.pool, ofGuests, MAX_GUEST_WINDOWS);
  }

  async stop(): Promise<void> {
    await releaseCursor(this.#context.pool, this.#owner).catch(() => {}); // it runs out by itself
  }

  /** One batch: read and looked up first, then judged and noted in one transaction. */
  async #step(): Promise<number> {
    const { pool, seal } = this.#context;
    const cursor = await readCursor(pool, this.#owner, this.#leaseMs);
    if (!cursor?.isFree) return 0;
    const from = await this.#startOf(cursor);
    const rows = await rowsFrom(pool, from, cursor.size, BATCH);
    const facts = rows.map((row) => factOf(seal, row));
    const last = rows.at(-1);
    const reached = last ? { idx: last.idx + 1, lastId: last.id } : { idx: from, lastId: cursor.lastId };
    try {
      const isDone = await inTransaction(pool, (tx) => this.#advance(tx, cursor, reached, facts));
      return isDone ? rows.length : 0;
    } catch (error) {
      this.#cache = createWindowCache(); // it may hold what was rolled back
      throw error;
    }
  }

  /** False, and nothing is done, where another process has read on meanwhile. */
  async #advance(
    tx: Tx,
    read: CursorState,
    reached: { idx: number; lastId: string | null },
    facts: readonly Fact[],
  ): Promise<boolean> {
    const cursor = await lockCursor(tx, this.#owner, this.#leaseMs);
    if (!cursor?.isFree || cursor.idx !== read.idx || cursor.lastId !== read.lastId) return false;
    // An attempt of this transaction that failed may have left something.
    if (!cursor.isOurs || this.#cache.changed().length > 0) this.#cache = createWindowCache();
    await this.#judge(tx, this.#cache, facts);
    await moveCursor(tx, reached, this.#owner, this.#leaseMs);
    return true;
  }

  /** States of MedVault itself; while they are judged, no process reads the log on. */
  async observe(states: readonly Fact[]): Promise<void> {
    if (states.length === 0) return;
    await inTransaction(this.#context.pool, async (tx) => {
      await waitForCursor(tx);
      await this.#judge(tx, createWindowCache(), states);
    });
  }

  /** Where to read on: further back where the log is not the one that was read. */
  async #startOf({ idx, lastId, size }: CursorState): Promise<number> {
    const { pool, logger } = this.#context;
    const isSame = lastId === null || (idx <= size && (await idAt(pool, idx - 1)) === lastId);
    if (isSame) return Math.min(idx, size);
    logger.warn({ idx, size }, "the log is not the one that alert rules had read; they read it again");
    return Math.max(0, Math.min(idx, size) - READ_AGAIN);
  }

  async #judge(tx: Tx, cache: WindowCache, facts: readonly Fact[]): Promise<void> {
    const seen = facts.flatMap((fact) =>
      this.#rules.flatMap((rule) => {
        const occurrence = rule.occurrence(fact);
        return occurrence === null ? [] : [{ rule, fact, occurrence }];
      }),
    );
    if (seen.length === 0) return;
    await fillCache(tx, cache, seen);
    const findings = noFindings();
    for (const { rule, fact, occurrence } of seen) {
      judge({ memory: cache, findings, newId }, rule, fact, occurrence);
    }
    const judged = [...findings.opened.values()];
    const inserted = await insertAlerts(tx, judged, this.#context.now());
    const opened = judged.filter(({ id }) => inserted.has(id));
    await touchAlerts(tx, findings.touched);
    await emit(tx, "audit", ...opened.map(alertOpened));
    if (opened.length > 0) await this.#onOpened(tx, opened);
    await saveWindows(tx, cache.changed());
    afterCommit(tx, () => cache.settle());
  }
}

/** A row of the log as rules see it; opened at most once. */
export function factOf(seal: LogContext["seal"], row: LogRow): Fact {
  let data: ReturnType<Fact["data"]> | undefined;
  return {
    ...row,
    at: row.occurredAt,
    data() {
      if (data === undefined) data = openedData(seal, row);
      return data;
    },
  };
}

/** Sealed under the log's key, hence by a writer that had checked it: that is not done again. */
function openedData(seal: LogContext["seal"], { idx, id, sealed }: LogRow): AuditEventData | null {
  const body = seal.open(idx, id, sealed);
  const parts = body && splitBody(body);
  return parts ? (JSON.parse(parts.canonicalEvent.toString("utf8")) as CloudEvent).data : null;
}

async function fillCache(
  tx: Tx,
  cache: WindowCache,
  seen: readonly { rule: Rule; occurrence: Occurrence }[],
): Promise<void> {
  const keys = seen.flatMap(({ rule, occurrence }) =>
    keysOf(rule, occurrence).map((cause) => ({ rule: rule.name, cause })),
  );
  const unknown = cache.unknown(keys);
  const found = await readWindows(tx, unknown);
  cache.fill(unknown, found);
}
