import { compact, exactToken, normalise } from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import { DeclarationFault } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { indexKey } from "../keyring/service-keys.ts";
import { fieldOf, type TableDeclaration } from "./declaration.ts";

/** A key per indexed field, by declared name. Null: none is in place yet, so no tokens. */
export type IndexKeys = Readonly<Record<string, Buffer | null>>;
/** A token of 16 bytes, or null, per indexed field, by declared name. */
export type IndexTokens = Readonly<Record<string, Buffer | null>>;

/** The fields with a token, under a table's declaration and the operator's policy. */
export function indexesInUse({ exact = [], exactOff = [] }: TableDeclaration): string[] {
  return exact.filter((field) => !exactOff.includes(field));
}

/** Of the key of a field's index in `keys`. */
export const indexName = ({ table }: TableDeclaration, field: string): string => `${table}.${field}`;

/** A table's columns of tokens (`bytea`), in the order of the tokens. */
export const tokenColumns = ({ exact = [] }: TableDeclaration): string[] =>
  exact.map((field) => `${field}_token`);

/** The blind indexes of one declared table. */
export class TableIndexes {
  readonly #declaration: TableDeclaration;
  readonly #inUse: readonly string[];

  constructor(declaration: TableDeclaration) {
    this.#declaration = declaration;
    this.#inUse = indexesInUse(declaration);
  }

  async keys(db: Db, keyring: Keyring): Promise<IndexKeys> {
    const keys: Record<string, Buffer | null> = {};
    for (const field of this.#inUse) {
      keys[field] = await indexKey(db, keyring, indexName(this.#declaration, field));
    }
    return keys;
  }

  tokens(keys: IndexKeys, value: Record<string, unknown>): IndexTokens {
    const tokens: Record<string, Buffer | null> = {};
    for (const field of this.#declaration.exact ?? []) {
      const key = this.#inUse.includes(field) ? this.#key(keys, field) : null;
      const text = textOf(value[fieldOf(field).property]);
      tokens[field] = key === null || text === null ? null : exactToken(key, this.#compared(field, text));
    }
    return tokens;
  }

  /**
   * The tokens to look for: that of a text, and that of its spelling as rows have it that were
   * written before the field was compact. Null: there are none, so every row is a candidate.
   */
  query(keys: IndexKeys, field: string, text: string): Buffer[] | null {
    this.#assertIndexed(field);
    const key = this.#inUse.includes(field) ? this.#key(keys, field) : null;
    if (key === null) return null;
    return [...new Set([this.#compared(field, text), text])].map((one) => exactToken(key, one));
  }

  matches(value: Record<string, unknown>, field: string, text: string): boolean {
    this.#assertIndexed(field);
    const own = textOf(value[fieldOf(field).property]);
    return own !== null && normalise(this.#compared(field, own)) === normalise(this.#compared(field, text));
  }

  /** A value as it is compared. */
  #compared(field: string, text: string): string {
    return this.#declaration.compact?.includes(field) ? compact(text) : text;
  }

  #assertIndexed(field: string): void {
    const { table, exact } = this.#declaration;
    if (!exact?.includes(field)) throw new DeclarationFault(`${table}.${field} has no index`);
  }

  #key(keys: IndexKeys, field: string): Buffer | null {
    const key = keys[field];
    if (key === undefined) throw new DeclarationFault(`${this.#declaration.table}.${field} has no index`);
    return key;
  }
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  throw new DeclarationFault("an indexed field holds text");
}
