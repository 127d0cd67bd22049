import { hash } from "node:crypto";
import {
  type BoxContext,
  BoxForged,
  BoxRefused,
  canonicalJson,
  type Json,
  openBox,
  paddedJson,
  type Suite,
  sealBox,
  WrappedKeyRefused,
} from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import { DeclarationFault, KeyVersionUnknown } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { boundColumns, boundId } from "./bound-columns.ts";
import { assertDeclaration, type Field, fieldOf, type TableDeclaration } from "./declaration.ts";
import { maskEdges } from "./mask.ts";
import { sealByWorkers } from "./seal-pool.ts";
import { type IndexKeys, type IndexTokens, TableIndexes } from "./table-indexes.ts";

/** What a damaged row throws. A key version that no one knows is one that a damaged key names. */
const DAMAGE = [BoxRefused, WrappedKeyRefused, KeyVersionUnknown] as const;

/** What is stored beside the typed columns. */
export interface Sealed {
  readonly open: Record<string, Json>;
  readonly sealed: Buffer;
}

/** A row as the store selects it: typed columns, these four, `subject_key` of subject_keys. */
export interface SealedRow {
  readonly rev: number;
  readonly open: unknown;
  readonly sealed: Buffer;
  readonly subject_key: Buffer;
  readonly [column: string]: unknown;
}

/** A value to seal and the wrapped key of its subject. */
export interface SealItem<T> {
  readonly subjectKey: Buffer;
  readonly value: T;
}

/** Everything that sealing one row needs, with nothing left of the domain object. */
export interface SealJob {
  readonly wrapped: Buffer;
  readonly context: BoxContext;
  readonly plaintext: Buffer;
  readonly suite: Suite;
  readonly open: Record<string, Json>;
}

// Below this, worker threads cost more than they take off the event loop (40 µs a row).
const MIN_ROWS_FOR_WORKERS = 201;

/** Declares a table whose rows are sealed. Throws DeclarationFault with every fault named. */
export function sealedTable<T extends object>(declaration: TableDeclaration): SealedTable<T> {
  return new SealedTable<T>(declaration);
}

/** A declaration, and what follows from it. */
interface Shape {
  readonly declaration: TableDeclaration;
  readonly id: Field;
  readonly subject: Field;
  readonly typed: readonly Field[];
  readonly sealed: readonly Field[];
  readonly open: readonly Field[];
  readonly indexes: TableIndexes;
  readonly bound: ReturnType<typeof boundColumns>;
}

export class SealedTable<T extends object> {
  #shape: Shape;

  constructor(declaration: TableDeclaration) {
    this.#shape = shapeOf(declaration);
  }

  get declaration(): TableDeclaration {
    return this.#shape.declaration;
  }

  /**
   * Takes another declaration of the same table from now on: an operator's policy, at composition.
   * What was sealed before still opens. Throws DeclarationFault, and keeps the one that it had.
   */
  adopt(declaration: TableDeclaration): void {
    const { service, table, id, subject, typed, resettable = [] } = this.declaration;
    const fixed = { service, table, subject, typed, resettable };
    const kept = { ...declaration, ...fixed, ...(id === undefined ? {} : { id }) };
    this.#shape = shapeOf(kept);
  }

  /**
   * Seals a domain object under its subject's wrapped key. `value.rev`, from 1, rises each time.
   * Throws DeclarationFault (no id, subject or rev), NotCanonicalJson, or what unwrapping throws.
   */
  seal(keyring: Keyring, wrappedSubjectKey: Buffer, value: T): Sealed {
    const job = this.#job(keyring, wrappedSubjectKey, value);
    const key = keyring.subjectKey(job.wrapped, job.context.subjectId);
    return { open: job.open, sealed: sealBox(key, job.context, job.plaintext, job.suite) };
  }

  /** Seals many in order, over 200 in worker threads; all or nothing. Throws SealPoolFailed too. */
  async sealMany(keyring: Keyring, items: readonly SealItem<T>[]): Promise<Sealed[]> {
    if (items.length < MIN_ROWS_FOR_WORKERS) {
      return items.map(({ subjectKey, value }) => this.seal(keyring, subjectKey, value));
    }
    const open: Record<string, Json>[] = [];
    const boxes = await sealByWorkers(keyring, items.length, (at) => {
      const item = items[at];
      if (item === undefined) throw new DeclarationFault("a row to seal is missing");
      const job = this.#job(keyring, item.subjectKey, item.value);
      open[at] = job.open;
      return job;
    });
    return boxes.map((sealed, at) => ({ open: open[at] ?? {}, sealed }));
  }

  /**
   * Opens a row: the domain object with `id`, `rev` and every declared field. Throws BoxRefused
   * when the box, its place, revision or columns are not what was sealed, or as unwrapping does.
   */
  open(keyring: Keyring, row: SealedRow): T {
    const { open, fields } = this.#openRow(keyring, row);
    const { id, typed, open: openNow, sealed } = this.#shape;
    const value: Record<string, unknown> = { [id.property]: row[id.column], rev: row.rev };
    for (const { column, property } of typed) value[property] = row[column] ?? null;
    // A field may have been sealed that is open now, or the other way, until the row is resealed.
    for (const { column, property } of openNow) value[property] = open[column] ?? fields[column] ?? null;
    for (const { column, property } of sealed) value[property] = fields[column] ?? open[column] ?? null;
    return value as T;
  }

  /**
   * As open; null for a row that is damaged: its box or its subject's wrapped key does not open, or
   * is not of this place. Other rows are not concerned.
   */
  tryOpen(keyring: Keyring, row: SealedRow): T | null {
    try {
      return row.rev >= 1 ? this.open(keyring, row) : null;
    } catch (error) {
      if (DAMAGE.some((kind) => error instanceof kind)) return null;
      throw error;
    }
  }

  /**
   * Opens a row and seals it again as its next revision, under the present declaration and suite.
   * Throws as open does, and DeclarationFault for a field that is declared no more and would be
   * lost.
   */
  reseal(keyring: Keyring, row: SealedRow): { value: T; box: Sealed } {
    const { open, fields } = this.#openRow(keyring, row);
    const declared = new Set([...this.#shape.open, ...this.#shape.sealed].map(({ column }) => column));
    const lost = [...Object.keys(open), ...Object.keys(fields)].filter((name) => !declared.has(name));
    if (lost.length > 0) {
      throw new DeclarationFault(`${this.declaration.table} holds ${lost.join(", ")}, declared no more`);
    }
    const value = { ...this.open(keyring, row), rev: row.rev + 1 };
    return { value, box: this.seal(keyring, row.subject_key, value) };
  }

  /** SHA-256 of the box, hex: with `rev` in the write's event, so that a rollback is found. */
  boxHash(sealed: Buffer): string {
    return hash("sha256", sealed, "hex");
  }

  /** A copy with the masked fields masked. */
  mask(value: T): T {
    const masked: Record<string, unknown> = { ...(value as Record<string, unknown>) };
    for (const name of Object.keys(this.declaration.masks ?? {})) {
      const { property } = fieldOf(name);
      masked[property] = maskEdges(masked[property]);
    }
    return masked as T;
  }

  /** The keys of the table's blind indexes, made at first use; they change only by a rebuild. */
  indexKeys(db: Db, keyring: Keyring): Promise<IndexKeys> {
    return this.#shape.indexes.keys(db, keyring);
  }

  /** What to store in the columns of tokens, in the order of `tokenColumns`. */
  indexTokens(keys: IndexKeys, value: T): IndexTokens {
    return this.#shape.indexes.tokens(keys, value as Record<string, unknown>);
  }

  /**
   * The tokens that a row of this value may have: `= any($1::bytea[])`. Null: there is no such
   * index in place, every row is a candidate.
   */
  queryTokens(keys: IndexKeys, field: string, text: string): Buffer[] | null {
    return this.#shape.indexes.query(keys, field, text);
  }

  /** Whether an opened candidate has this value, as its token compares it. */
  matches(value: T, field: string, text: string): boolean {
    return this.#shape.indexes.matches(value as Record<string, unknown>, field, text);
  }

  #openRow(keyring: Keyring, row: SealedRow): { open: Record<string, Json>; fields: Record<string, Json> } {
    const { id, subject } = this.#shape;
    const { open, text } = openFields(row.open);
    const context = this.#context(
      keyring,
      row[id.column],
      row[subject.column],
      row.rev,
      this.#shape.bound(this.#sealedAs(row)),
      text,
    );
    const plaintext = openBox(keyring.subjectKey(row.subject_key, context.subjectId), context, row.sealed);
    const fields = JSON.parse(plaintext.toString("utf8")) as Record<string, Json>;
    plaintext.fill(0);
    return { open, fields };
  }

  /** A column's value when the box was sealed: its own, but where a restore has set another. */
  #sealedAs(row: SealedRow): (column: string) => unknown {
    const { resettable = [] } = this.declaration;
    const before = row.sealed_as as Readonly<Record<string, unknown>> | null | undefined;
    if (!before) return (column) => row[column];
    return (column) =>
      resettable.includes(column) && Object.hasOwn(before, column) ? before[column] : row[column];
  }

  #job(keyring: Keyring, wrapped: Buffer, value: T): SealJob {
    const from = value as Record<string, unknown>;
    const { open, text } = openFields(pick(from, this.#shape.open));
    const context = this.#context(
      keyring,
      from[this.#shape.id.property],
      from[this.#shape.subject.property],
      from.rev,
      this.#shape.bound((_, at) => from[this.#shape.typed[at]?.property ?? ""]),
      text,
    );
    const plaintext = paddedJson(canonicalJson(pick(from, this.#shape.sealed)));
    return { wrapped, context, plaintext, suite: this.declaration.suite ?? "aes-256-gcm", open };
  }

  #context(
    keyring: Keyring,
    id: unknown,
    subject: unknown,
    rev: unknown,
    typed: string,
    open: string,
  ): BoxContext {
    const { service, table } = this.declaration;
    if (keyring.service !== service)
      throw new DeclarationFault(`${table} belongs to another service's keyring`);
    if (typeof rev !== "number" || !Number.isSafeInteger(rev) || rev < 1) {
      throw new DeclarationFault(`${table}.rev is not an integer of at least 1`);
    }
    const rowId = boundId(id, this.#shape.id.column);
    return {
      service,
      table,
      rowId,
      subjectId: boundId(subject, this.#shape.subject.column),
      rev,
      typed,
      open,
    };
  }
}

function shapeOf(declaration: TableDeclaration): Shape {
  assertDeclaration(declaration);
  return {
    declaration,
    id: fieldOf(declaration.id ?? "id"),
    subject: fieldOf(declaration.subject),
    typed: declaration.typed.map(fieldOf),
    sealed: declaration.sealed.map(fieldOf),
    open: (declaration.open ?? []).map(fieldOf),
    indexes: new TableIndexes(declaration),
    bound: boundColumns(declaration.typed),
  };
}

function pick(from: Record<string, unknown>, fields: readonly Field[]): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ column, property }) => [column, from[property] ?? null]));
}

/** An `open` column as plain JSON, exactly as Postgres will give it back, and as canonical text. */
function openFields(value: unknown): { open: Record<string, Json>; text: string } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new BoxForged();
  const text = canonicalJson(value);
  return { open: JSON.parse(text) as Record<string, Json>, text };
}
