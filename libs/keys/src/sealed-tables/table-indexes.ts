import {
  compact,
  containsPart,
  exactToken,
  normalise,
  trigramQueryTokens,
  trigramTokens,
} from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import { DeclarationFault } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { indexKey } from "../keyring/service-keys.ts";
import { fieldOf, type IndexKind, type TableDeclaration } from "./declaration.ts";

/** A key per indexed field, by declared name. Null: none is in place yet, so no tokens. */
export type IndexKeys = Readonly<Record<string, Buffer | null>>;
/**
 * What the columns hold: per declared index, by its field, decimal bigints (substring), a 16-byte
 * token or null (exact); and in `added_tokens`, where the table has that column, the tokens of the
 * indexes that an operator added.
 */
export type IndexTokens = Readonly<Record<string, string[] | Buffer | null>>;

/** An index as it is in use. */
export interface IndexInUse {
  readonly field: string;
  readonly kind: IndexKind;
  /** Of its key in `keys`. */
  readonly keyName: string;
  readonly isAdded: boolean;
}

const ADDED_TOKENS = "added_tokens";

/** Whether the table has the column for indexes that an operator adds. */
const takesAdded = ({ searchable }: TableDeclaration): boolean => searchable !== undefined;

/** The indexes that a table has under its declaration and the operator's policy. */
export function indexesInUse(declaration: TableDeclaration): IndexInUse[] {
  const { table, indexes = {}, addedIndexes = {}, indexesOff = [] } = declaration;
  const own = Object.entries(indexes)
    .filter(([field]) => !indexesOff.includes(field) && addedIndexes[field] === undefined)
    .map(([field, kind]) => ({ field, kind, keyName: `${table}.${field}`, isAdded: false }));
  const added = Object.entries(addedIndexes).map(([field, kind]) => ({
    field,
    kind,
    keyName: `${table}.${field}.${kind}`,
    isAdded: true,
  }));
  return [...own, ...added];
}

/** A table's columns of tokens, in the order of the tokens, and what is in them. */
export function tokenColumns(
  declaration: TableDeclaration,
): { column: string; type: "bytea" | "bigint[]" | "text[]" }[] {
  const { indexes = {}, indexColumns = {} } = declaration;
  const own = Object.entries(indexes).map(([field, kind]) =>
    kind === "exact"
      ? { column: indexColumns[field] ?? `${field}_token`, type: "bytea" as const }
      : { column: indexColumns[field] ?? `${field}_tokens`, type: "bigint[]" as const },
  );
  return takesAdded(declaration) ? [...own, { column: ADDED_TOKENS, type: "text[]" as const }] : own;
}

/** The blind indexes of one declared table. */
export class TableIndexes {
  readonly #declaration: TableDeclaration;
  readonly #inUse: ReadonlyMap<string, IndexInUse>;

  constructor(declaration: TableDeclaration) {
    this.#declaration = declaration;
    this.#inUse = new Map(indexesInUse(declaration).map((index) => [index.field, index]));
  }

  /** Those of declared indexes. An added one has its key from a rebuild. */
  async keys(db: Db, keyring: Keyring): Promise<IndexKeys> {
    const keys: Record<string, Buffer | null> = {};
    for (const { field, keyName, isAdded } of this.#inUse.values()) {
      keys[field] = isAdded ? null : await indexKey(db, keyring, keyName);
    }
    return keys;
  }

  tokens(keys: IndexKeys, value: Record<string, unknown>): IndexTokens {
    const tokens: Record<string, string[] | Buffer | null> = {};
    for (const [field, kind] of Object.entries(this.#declaration.indexes ?? {})) {
      const index = this.#inUse.get(field);
      const text = index && !index.isAdded ? this.#text(field, kind, value) : null;
      const key = index && !index.isAdded ? this.#key(keys, field) : null;
      const isNone = text === null || key === null;
      if (kind === "substring") tokens[field] = isNone ? [] : trigramTokens(key, text);
      else tokens[field] = isNone ? null : exactToken(key, this.#compared(field, text));
    }
    if (takesAdded(this.#declaration)) tokens[ADDED_TOKENS] = this.#addedTokens(keys, value);
    return tokens;
  }

  /** Null: no tokens to look for, so every row is a candidate; an empty list: no row matches. */
  query(keys: IndexKeys, field: string, part: string): string[] | Buffer | null {
    const index = this.#inUse.get(field);
    if (!index) {
      this.#assertSearched(field);
      return null;
    }
    const key = this.#key(keys, field);
    if (key === null) return null;
    if (index.isAdded) {
      const tokens =
        index.kind === "exact"
          ? [exactToken(key, this.#compared(field, part))]
          : trigramQueryTokens(key, part);
      return tokens.map((token) => addedToken(field, token));
    }
    return index.kind === "exact"
      ? exactToken(key, this.#compared(field, part))
      : trigramQueryTokens(key, part);
  }

  /**
   * As query, for an exact index that is in place: the token of a part, and that of its spelling as
   * rows have it that were written before the field was compact.
   */
  exactForms(keys: IndexKeys, field: string, part: string): Buffer[] {
    const key = this.#key(keys, field);
    if (key === null) return [];
    return [...new Set([this.#compared(field, part), part])].map((text) => exactToken(key, text));
  }

  matches(value: Record<string, unknown>, field: string, part: string): boolean {
    this.#assertSearched(field);
    const kind = this.#inUse.get(field)?.kind ?? this.#declaration.indexes?.[field] ?? "exact";
    return this.#texts(field, kind, value).some((text) =>
      kind === "exact"
        ? normalise(this.#compared(field, text)) === normalise(this.#compared(field, part))
        : containsPart(text, part),
    );
  }

  /** An exact value as it is compared. */
  #compared(field: string, text: string): string {
    return this.#declaration.compact?.includes(field) ? compact(text) : text;
  }

  #addedTokens(keys: IndexKeys, value: Record<string, unknown>): string[] {
    const tokens: string[] = [];
    for (const { field, kind, isAdded } of this.#inUse.values()) {
      const key = isAdded ? this.#key(keys, field) : null;
      const text = key === null ? null : this.#text(field, kind, value);
      if (key === null || text === null) continue;
      const of = kind === "exact" ? [exactToken(key, this.#compared(field, text))] : trigramTokens(key, text);
      for (const token of of) tokens.push(addedToken(field, token));
    }
    return tokens.sort();
  }

  /** What an index holds: of parts of words, also those of the fields beside it. */
  #texts(field: string, kind: IndexKind, value: Record<string, unknown>): string[] {
    const beside = kind === "substring" ? (this.#declaration.indexedWith?.[field] ?? []) : [];
    return [field, ...beside].flatMap((name) => textOf(value[fieldOf(name).property]) ?? []);
  }

  #text(field: string, kind: IndexKind, value: Record<string, unknown>): string | null {
    const texts = this.#texts(field, kind, value);
    return texts.length > 0 ? texts.join(" ") : null;
  }

  #assertSearched(field: string): void {
    const { table, indexes = {}, searchable = [] } = this.#declaration;
    if (indexes[field] === undefined && !searchable.includes(field)) {
      throw new DeclarationFault(`${table}.${field} has no index`);
    }
  }

  #key(keys: IndexKeys, field: string): Buffer | null {
    const key = keys[field];
    if (key === undefined) throw new DeclarationFault(`${this.#declaration.table}.${field} has no index`);
    return key;
  }
}

/** FORMATS.md, "Blind index tokens". */
function addedToken(field: string, token: string | Buffer): string {
  return `${field}/${typeof token === "string" ? token : token.toString("base64url")}`;
}

/** Text is indexed, and numbers as text; a list as its items, one after the other. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((item) => textOf(item) ?? "").join(" ");
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new DeclarationFault("an indexed field holds text");
}
