import { randomBytes } from "node:crypto";
import { exactToken, layeredToken } from "@medvault/crypto";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import type { Keyring } from "./keyring.ts";
import { type Throttle, throttled, whenLetIn } from "./operations/throttle.ts";
import { tableKey } from "./service-keys.ts";
import * as store from "./token-chain.store.ts";

const BATCH_TOKENS = 500;
const MAX_READS = 5;

interface Layers {
  readonly mark: string;
  /** The keys, the first layer's first. */
  readonly keys: readonly Buffer[];
}

/** What is stored for some base tokens. */
export interface StoredForms {
  readonly layer: number;
  readonly tokens: Buffer[];
}

/**
 * Tokens of texts that are nowhere kept, so that they cannot be made anew under another key: a new key lies over the tokens
 * as they are, and without it what lies below cannot be computed from a guess. A base token, under the first key
 * alone, is what a process works with; what is stored lies under all keys of its time.
 */
export class TokenChain {
  readonly #keyring: Keyring;
  readonly #table: store.TokenTable;
  #layers: Layers;

  private constructor(keyring: Keyring, table: store.TokenTable, layers: Layers) {
    this.#keyring = keyring;
    this.#table = table;
    this.#layers = layers;
  }

  /** Opens the keys; the first is made at first use. Once, at boot. */
  static async open(db: Db, keyring: Keyring, table: store.TokenTable): Promise<TokenChain> {
    return new TokenChain(keyring, table, await loadLayers(db, keyring, table, null));
  }

  /** The base token of a text, 16 bytes. Folds case as exactToken does. */
  base(text: string): Buffer {
    return exactToken(this.#layers.keys[0] as Buffer, text);
  }

  /** What to store for base tokens in this transaction, which keeps a new layer waiting. */
  async stored(tx: Tx, bases: readonly Buffer[]): Promise<StoredForms> {
    await store.holdLayers(tx, this.#table);
    const { keys } = await this.#reload(tx); // a statement of its own, after the lock
    return { layer: keys.length, tokens: bases.map((base) => raise(keys, base, 1)) };
  }

  /**
   * Runs a search for base tokens in every form in which they may be stored; again when a layer was added before it ended.
   * `baseOf` gives the base token, hex, of a form that was found. `work` changes nothing.
   */
  async read<R>(
    db: Db,
    bases: readonly Buffer[],
    work: (forms: Buffer[], baseOf: (form: Buffer) => string) => Promise<R>,
  ): Promise<R> {
    for (let tries = 1; ; tries += 1) {
      const layers = await this.#reload(db);
      const known = new Map<string, string>();
      const forms = bases.flatMap((base) => formsOf(layers.keys, base));
      for (const base of bases)
        for (const form of formsOf(layers.keys, base)) known.set(form.toString("hex"), base.toString("hex"));
      const result = await work(forms, (form) => known.get(form.toString("hex")) ?? "");
      if ((await this.#reload(db)).mark === layers.mark) return result;
      if (tries === MAX_READS) throw new Error("keys were added during every try of a search");
    }
  }

  async #reload(db: Db): Promise<Layers> {
    const loaded = await loadLayers(db, this.#keyring, this.#table, this.#layers);
    if (loaded.keys.length > this.#layers.keys.length) this.#layers = loaded;
    return loaded;
  }
}

export interface LayerOptions extends Throttle {
  readonly batchTokens?: number;
  /** In the transaction of each step. For the audit events. */
  readonly onStep: (tx: Tx, step: "begun" | "finished") => Promise<void>;
  /** After each batch: how many tokens are done. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Lays a new key over every token of a table, while traffic goes through TokenChain. A run that was stopped is run
 * again: tokens that lie under fewer keys are raised and no key is added. Returns how many tokens were raised.
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

async function loadLayers(
  db: Db,
  keyring: Keyring,
  table: store.TokenTable,
  known: Layers | null,
): Promise<Layers> {
  let stored = await store.findLayers(db, table);
  const mark = () => stored.map(({ version }) => version).join(" ");
  if (known !== null && known.mark === mark()) return known;
  if (stored.length === 0) {
    await tableKey(db, keyring, table.table);
    stored = await store.findLayers(db, table);
  }
  const keys = stored.map(({ wrapped }) => Buffer.from(keyring.opened(wrapped, ["table", table.table]).key));
  return { mark: mark(), keys };
}

/** A token that lies under the first `layer` keys, under all of them. */
const raise = (keys: readonly Buffer[], token: Buffer, layer: number): Buffer =>
  keys.slice(layer).reduce((below, key) => layeredToken(key, below), token);

/** A base token in every form that it had. */
function formsOf(keys: readonly Buffer[], base: Buffer): Buffer[] {
  return keys.map((_, at) => raise(keys.slice(0, at + 1), base, 1));
}
