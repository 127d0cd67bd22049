import { exactToken, layeredToken } from "@medvault/crypto";
import type { Db, Tx } from "@medvault/postgres";
import type { Keyring } from "../keyring/keyring.ts";
import { tableKey } from "../keyring/service-keys.ts";
import * as store from "./token-chain.store.ts";

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
 * Tokens of texts that are nowhere kept, so that they cannot be made again under another key: a new
 * key lies over the tokens as they are, and without it what lies below cannot be computed from a
 * guess. A base token, under the first key alone, is what a process works with; what is stored lies
 * under all keys of its time.
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
   * Runs a search for base tokens in every form in which they may be stored; again when a layer was
   * added before it ended. `baseOf` gives a found form's base token, hex. `work` changes nothing.
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

/** The layers of now, or `known` if they are still those. Makes the first key if there is none. */
export async function loadLayers(
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
export const raise = (keys: readonly Buffer[], token: Buffer, layer: number): Buffer =>
  keys.slice(layer).reduce((below, key) => layeredToken(key, below), token);

/** A base token in every form that it had. */
function formsOf(keys: readonly Buffer[], base: Buffer): Buffer[] {
  return keys.map((_, at) => raise(keys.slice(0, at + 1), base, 1));
}
