import { randomBytes } from "node:crypto";
import { inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import * as store from "../indexes/token-chain.store.ts";
import { loadLayers, raise } from "../indexes/token-chain.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { type Throttle, throttled, whenLetIn } from "../rotation/throttle.ts";

const BATCH_TOKENS = 500;

export interface LayerOptions extends Throttle {
  readonly batchTokens?: number;
  /** In the transaction of each step. For the audit events. */
  readonly onStep: (tx: Tx, step: "begun" | "finished") => Promise<void>;
  /** After each batch: how many tokens are done. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Lays a new key over every token of a table, while traffic goes through TokenChain. A run that was
 * stopped is run again: tokens that lie under fewer keys are raised and no key is added. Returns
 * how many tokens were raised.
 */
export async function addTokenLayer(
  pool: pg.Pool,
  keyring: Keyring,
  table: store.TokenTable,
  options: LayerOptions,
): Promise<number> {
  const before = await loadLayers(pool, keyring, table, null);
  const isStopped = (await store.tokensBelow(pool, table, before.keys.length, null, 1)).length > 0;
  if (!isStopped) await beginLayer(pool, keyring, table, options);
  const { keys } = await loadLayers(pool, keyring, table, null);
  let after: store.StoredToken | null = null;
  let raised = 0;
  await throttled(options, async () => {
    const limit = options.batchTokens ?? BATCH_TOKENS;
    const found = await store.tokensBelow(pool, table, keys.length, after, limit);
    if (found.length === 0) return false;
    const tokens = found.map((from) => ({ from, to: raise(keys, from.token, from.layer) }));
    raised += await store.replaceTokens(pool, table, keys.length, tokens);
    after = found.at(-1) ?? null;
    options.onProgress?.(raised);
    return true;
  });
  await inTransaction(pool, (tx) => options.onStep(tx, "finished"));
  return raised;
}

async function beginLayer(
  pool: pg.Pool,
  keyring: Keyring,
  table: store.TokenTable,
  { onStep, signal }: LayerOptions,
): Promise<void> {
  const begin = async (tx: Tx) => {
    await store.changeLayers(tx, table);
    const version = (await store.findLayers(tx, table)).length + 1;
    const secret = randomBytes(32);
    const wrapped = keyring.wrap(secret, ["table", table.table], version);
    secret.fill(0);
    await store.insertLayer(tx, table, { version, wrapped });
    await onStep(tx, "begun");
  };
  await whenLetIn(signal, () => inTransaction(pool, begin));
}
