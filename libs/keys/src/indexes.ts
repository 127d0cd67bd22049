import { containsPart, exactToken, normalise, trigramQueryTokens, trigramTokens } from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import { fieldOf, type IndexKind, type TableDeclaration } from "./declaration.ts";
import { DeclarationFault } from "./errors.ts";
import type { Keyring } from "./keyring.ts";
import { indexKey } from "./service-keys.ts";

/** A key per indexed field, by declared name. */
export type IndexKeys = Readonly<Record<string, Buffer>>;
/** Per indexed field: decimal bigints (substring), a 16-byte token, or null where the value is null (exact). */
export type IndexTokens = Readonly<Record<string, string[] | Buffer | null>>;

/** The blind indexes of one declared table. */
export class TableIndexes {
  readonly #table: string;
  readonly #kinds: Readonly<Record<string, IndexKind>>;
  readonly #off: ReadonlySet<string>;

  constructor(declaration: TableDeclaration) {
    this.#table = declaration.table;
    this.#kinds = declaration.indexes ?? {};
    this.#off = new Set(declaration.indexesOff);
  }

  async keys(db: Db, keyring: Keyring): Promise<IndexKeys> {
    const keys: Record<string, Buffer> = {};
    for (const field of Object.keys(this.#kinds))
      keys[field] = await indexKey(db, keyring, `${this.#table}.${field}`);
    return keys;
  }

  tokens(keys: IndexKeys, value: Record<string, unknown>): IndexTokens {
    const tokens: Record<string, string[] | Buffer | null> = {};
    for (const [field, kind] of Object.entries(this.#kinds)) {
      const text = this.#off.has(field) ? null : textOf(value[fieldOf(field).property]);
      const key = this.#key(keys, field);
      if (kind === "substring") tokens[field] = text === null ? [] : trigramTokens(key, text);
      else tokens[field] = text === null ? null : exactToken(key, text);
    }
    return tokens;
  }

  query(keys: IndexKeys, field: string, part: string): string[] | Buffer {
    const key = this.#key(keys, field);
    // Switched off: every row is a candidate for a part, and opened to be looked at; nothing is found by its token.
    if (this.#off.has(field)) return this.#kinds[field] === "exact" ? Buffer.alloc(0) : [];
    return this.#kinds[field] === "exact" ? exactToken(key, part) : trigramQueryTokens(key, part);
  }

  matches(value: Record<string, unknown>, field: string, part: string): boolean {
    const text = textOf(value[fieldOf(field).property]);
    if (text === null) return false;
    return this.#kinds[field] === "exact" ? normalise(text) === normalise(part) : containsPart(text, part);
  }

  #key(keys: IndexKeys, field: string): Buffer {
    const key = keys[field];
    if (key === undefined || this.#kinds[field] === undefined) {
      throw new DeclarationFault(`${this.#table}.${field} has no index`);
    }
    return key;
  }
}

/** Text is indexed, and numbers as text; a list as its items, one after the other. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((item) => textOf(item) ?? "").join(" ");
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new DeclarationFault("an indexed field holds text");
}
