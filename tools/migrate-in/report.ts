import { closeSync, fchmodSync, openSync, writeSync } from "node:fs";
import type { Kind } from "./map.ts";
import { bytesOf, type Refused, type SourceRow } from "./row.ts";

/** What became of a row as one kind of thing. */
export type Fate = "stored" | "updated" | "known" | "refused";
export type Counts = Readonly<Record<Fate, number>>;

/** Keys that may be shown: numbers and ids of a database, not names. */
const PLAIN_KEY = /^(?:\d{1,20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** Counts what became of rows, and writes down each that was refused: where it is and why. */
export class Report {
  readonly #file: number | null;
  readonly #counts = new Map<Kind, Record<Fate, number>>();
  readonly #reasons = new Map<string, number>();

  /** @param path of lines of JSON, which is begun again; null: counts alone */
  constructor(path: string | null) {
    this.#file = path === null ? null : openSync(path, "w", 0o600);
    if (this.#file !== null) fchmodSync(this.#file, 0o600);
  }

  count(kind: Kind, fate: Fate, rows = 1): void {
    const counts = this.#counts.get(kind) ?? { stored: 0, updated: 0, known: 0, refused: 0 };
    counts[fate] += rows;
    this.#counts.set(kind, counts);
  }

  /** The row is named by its number and, where that says nothing of anybody, by its key. */
  refuse(kind: Kind, row: SourceRow, why: Pick<Refused, "code" | "message">): void {
    this.count(kind, "refused");
    this.#reasons.set(why.code, (this.#reasons.get(why.code) ?? 0) + 1);
    if (this.#file === null) return;
    const line = {
      table: row.table,
      row: row.number,
      ...keyOf(row),
      as: kind,
      code: why.code,
      reason: why.message,
    };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  get counts(): Readonly<Record<string, Counts>> {
    return Object.fromEntries(this.#counts);
  }

  /** How many rows were refused, by the code of the reason. */
  get reasons(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#reasons].sort(([, a], [, b]) => b - a));
  }

  sum(fate: Fate): number {
    return [...this.#counts.values()].reduce((sum, counts) => sum + counts[fate], 0);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}

function keyOf({ columns, cells }: SourceRow): { key?: string } {
  const cell = cells[columns.indexOf("id")];
  const text = cell === null || cell === undefined ? "" : bytesOf(cell).toString("latin1");
  return PLAIN_KEY.test(text) ? { key: text } : {};
}
