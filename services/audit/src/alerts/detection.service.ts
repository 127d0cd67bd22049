import { randomUUID } from "node:crypto";
import { newId } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { afterCommit, inTransaction, type Tx } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import { eventOf } from "../log/entry.ts";
import { type LogRow, rowsFrom } from "../log/log.store.ts";
import { alertOpened } from "./alert.events.ts";
import { insertAlerts, touchAlerts } from "./alert.store.ts";
import {
  forgetWindows,
  idAt,
  lockCursor,
  moveCursor,
  readCursor,
  readWindows,
  releaseCursor,
  saveWindows,
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

  /** One batch in one transaction: what was found, what is remembered, and how far it came. */
  async #step(): Promise<number> {
    try {
      return await inTransaction(this.#context.pool, (tx) => this.#look(tx));
    } catch (error) {
      this.#cache = createWindowCache(); // it may hold what was rolled back
      throw error;
    }
  }

  async #look(tx: Tx): Promise<number> {
    const cursor = await lockCursor(tx, this.#owner, this.#leaseMs);
    if (!cursor?.isFree) return 0;
    // An attempt of this transaction that failed may have left something.
    if (!cursor.isOurs || this.#cache.changed().length > 0) this.#cache = createWindowCache();
    const from = await this.#startOf(tx, cursor);
    const rows = await rowsFrom(tx, from, cursor.size, BATCH);
    await this.#judge(
      tx,
      rows.map((row) => this.#factOf(row)),
    );
    const last = rows.at(-1);
    const reached = last ? { idx: last.idx + 1, lastId: last.id } : { idx: from, lastId: cursor.lastId };
    await moveCursor(tx, reached, this.#owner, this.#leaseMs);
    return rows.length;
  }

  /** Where to read on: further back where the log is not the one that was read. */
  async #startOf(tx: Tx, { idx, lastId, size }: { idx: number; lastId: string | null; size: number }) {
    const isSame = lastId === null || (idx <= size && (await idAt(tx, idx - 1)) === lastId);
    if (isSame) return Math.min(idx, size);
    this.#context.logger.warn(
      { idx, size },
      "the log is not the one that alert rules had read; they read it again",
    );
    return Math.max(0, Math.min(idx, size) - READ_AGAIN);
  }

  async #judge(tx: Tx, facts: readonly Fact[]): Promise<void> {
    const seen = facts.flatMap((fact) =>
      this.#rules.flatMap((rule) => {
        const occurrence = rule.occurrence(fact);
        return occurrence === null ? [] : [{ rule, fact, occurrence }];
      }),
    );
    if (seen.length === 0) return;
    const cache = this.#cache;
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

  #factOf(row: LogRow): Fact {
    return factOf(this.#context.seal, row);
  }
}

/** A row of the log as rules see it; opened at most once. */
function factOf(seal: LogContext["seal"], row: LogRow): Fact {
  let data: ReturnType<Fact["data"]> | undefined;
  return {
    ...row,
    at: row.occurredAt,
    data() {
      if (data === undefined) {
        const body = seal.open(row.idx, row.id, row.sealed);
        data = (body && eventOf(body, row.leaf)?.data) ?? null;
      }
      return data;
    },
  };
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
