import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { remainingMs, withDeadline } from "./deadline.ts";
import { isUnavailable } from "./errors.ts";
import { createPool, type PoolOptions } from "./pool.ts";
import { renewedAfter } from "./prepared.ts";
import type { Db } from "./types.ts";

/** To lend a connection that has replayed what it must, it has so long. */
const LEND_MS = 500;
/** Of one that was away, nothing is asked for so long. */
const AWAY_MS = 5_000;
/** It has that long to replay what the primary had; in a network of one site it takes some 1 ms. */
const REPLAY_MS = 60;
const AGAIN_MS = 5;
/** Of a statement without a deadline. One with a deadline has half: the primary may follow. */
const STATEMENT_MS = 5_000;

// What is visible has been flushed. A replica that was promoted follows this primary no more.
const PRIMARY_AT = "select pg_current_wal_flush_lsn()::text as at";
const HAS_REPLAYED = "select pg_is_in_recovery() and pg_last_wal_replay_lsn() >= $1::pg_lsn as replayed";

/** A pool for a replica that is done without where it does not answer. */
export const createReplicaPool = (options: PoolOptions): pg.Pool =>
  createPool({ ...options, connectTimeoutMs: LEND_MS });

/**
 * Runs statements that only read on a replica, and none sees less than it would see on the primary:
 * a connection of the replica is used once it has replayed all that the primary had when the
 * statement came. So who may read what is asked there as well as anywhere. What the replica has
 * not, or cannot, the primary does: it may be behind, away, frozen or promoted, and no request
 * fails for it.
 */
export function createReader(primary: pg.Pool, replica: pg.Pool): Db {
  const position = new PrimaryPosition(primary);
  let awayUntil = 0;

  async function byReplica(text: string, values: unknown[]): Promise<pg.QueryResult | null> {
    const until = remainingMs();
    const client = await withDeadline(LEND_MS, async () => {
      const at = await position.now();
      const lent = await replica.connect();
      return (await isUpTo(lent, at)) ? lent : null;
    });
    if (client === null) return null;
    let isLost = true;
    try {
      const found = await withDeadline(until === undefined ? STATEMENT_MS : until / 2, () =>
        client.query(text, values),
      );
      isLost = false;
      return found;
    } catch (error) {
      isLost = isUnavailable(error);
      throw error;
    } finally {
      client.release(isLost);
    }
  }

  return {
    async query(text: string, values: unknown[] = []) {
      if (performance.now() < awayUntil) return primary.query(text, values);
      const found = await byReplica(text, values).catch((error: unknown) => {
        // Others are of what its replay cancels, or of what a migration outdated.
        if (!renewedAfter(replica, error) && isUnavailable(error)) awayUntil = performance.now() + AWAY_MS;
        return null;
      });
      return found ?? primary.query(text, values);
    },
  } as Db;
}

/** Whether a connection, which is given back if not, has replayed so much; waits a little. */
async function isUpTo(client: pg.PoolClient, at: string): Promise<boolean> {
  const until = performance.now() + REPLAY_MS;
  try {
    for (;;) {
      const { rows } = await client.query<{ replayed: boolean | null }>(HAS_REPLAYED, [at]);
      if (rows[0]?.replayed) return true;
      if (performance.now() > until) break;
      await delay(AGAIN_MS);
    }
  } catch (error) {
    client.release(true);
    throw error;
  }
  client.release();
  return false;
}

/** How far the primary is. Those who ask while another asks share the next answer, not that one. */
class PrimaryPosition {
  readonly #primary: pg.Pool;
  #next: Promise<string> | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(primary: pg.Pool) {
    this.#primary = primary;
  }

  now(): Promise<string> {
    this.#next ??= this.#turn.then(async () => {
      this.#next = null;
      const { rows } = await this.#primary.query<{ at: string }>(PRIMARY_AT);
      return rows[0]?.at ?? "";
    });
    this.#turn = this.#next.catch(() => undefined);
    return this.#next;
  }
}
