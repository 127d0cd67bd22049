import type { Opener } from "./fernet.ts";
import { looksSealed } from "./fernet.ts";
import { CLOSED, type Making, type Value, type WholeMap } from "./map.ts";
import { type Moment, momentOf } from "./moment.ts";
import { Refused, type SourceRow, textOf } from "./row.ts";

/** What it takes to read the cells of a source. */
export interface Reading {
  readonly map: Pick<WholeMap, "encoding" | "timeZone">;
  readonly opener: Opener;
}

/** What a field says, or null where its cells are empty. */
export type Made = string | Moment | null;

/** Reads the fields of one row. Every Refused names the column, and never a value. */
export class Fields {
  readonly #row: SourceRow;
  readonly #reading: Reading;
  readonly #of: string;
  readonly #fields: Readonly<Record<string, Value | undefined>>;
  /** Texts of tokens, by column: a name is part of keys, and a field too. */
  readonly #opened = new Map<string, string>();

  constructor(
    row: SourceRow,
    reading: Reading,
    of = "",
    fields: Readonly<Record<string, Value | undefined>> = {},
  ) {
    this.#row = row;
    this.#reading = reading;
    this.#of = of;
    this.#fields = fields;
  }

  /** A field's text, to the letter; empty is null. */
  text(name: string, maxChars: number): string | null {
    const made = this.#made(name);
    if (made === null) return null;
    const text = typeof made === "string" ? made : (made.instant ?? made.day);
    if (text.length > maxChars)
      throw this.#refused(name, "too_long", `is longer than ${maxChars} characters`);
    if (text.trim() === "") return null;
    if (UNTEXTUAL.test(text)) throw this.#refused(name, "control_character", "holds a control character");
    const closed = CLOSED[`${this.#of}.${name}`];
    if (closed && !closed.includes(text))
      throw this.#refused(
        name,
        "unknown_value",
        `is none of ${closed.join(", ")}: say what it means in "values"`,
      );
    return text;
  }

  /** As text; null is refused. */
  required(name: string, maxChars: number): string {
    const text = this.text(name, maxChars);
    if (text === null) throw this.#refused(name, "empty", "is empty");
    return text;
  }

  /** A date, as ISO where the map does not say how it is written. */
  moment(name: string): Moment | null {
    const made = this.#made(name);
    if (made === null || typeof made === "object") return made;
    if (made.trim() === "") return null;
    return named(columnOf(this.#fields[name]), () =>
      momentOf(made.trim(), "iso", this.#reading.map.timeZone),
    );
  }

  /** The parts of a key; one that is empty names nothing. */
  key(parts: readonly Value[]): string[] {
    return parts.map((part) => {
      const made = this.value(part);
      const text = typeof made === "object" ? (made?.instant ?? made?.day ?? "") : made;
      if (text === "")
        throw new Refused("empty_key", `column ${columnOf(part)} is empty, but the row is known by it`);
      return text;
    });
  }

  value(value: Value): Made {
    const making: Making = typeof value === "string" ? { column: value } : value;
    return named(columnOf(value), () => this.#valueOf(making));
  }

  #made(name: string): Made {
    const value = this.#fields[name];
    return value === undefined ? null : this.value(value);
  }

  #valueOf(making: Making): Made {
    const { constant, column, join, values, otherwise, date } = making;
    if (constant !== undefined) return constant;
    const cells = join ?? [column as string];
    const texts = cells.map((one) => this.#cell(one, making)).filter((text) => text !== null && text !== "");
    const text = texts.length > 0 ? texts.join(making.with ?? " ") : (making.empty ?? null);
    if (text === null) return null;
    if (values && texts.length > 0) {
      const ours = Object.hasOwn(values, text) ? values[text] : otherwise;
      if (ours === undefined)
        throw new Refused("unknown_value", 'has a value that is not in "values" of the map');
      return ours;
    }
    return date && texts.length > 0 ? momentOf(text.trim(), date, this.#reading.map.timeZone) : text;
  }

  /** A cell as text, opened where it is sealed. */
  #cell(column: string, { sealed, trim }: Making): string | null {
    const at = this.#row.columns.indexOf(column);
    const cell = this.#row.cells[at] ?? null;
    if (cell === null) return null;
    const { map, opener } = this.#reading;
    const raw = textOf(cell, map.encoding);
    const isToken = sealed ?? (raw.startsWith("gAAAAA") && looksSealed(raw));
    const text = isToken && raw !== "" ? (this.#opened.get(column) ?? opened(opener, raw)) : raw;
    if (isToken) this.#opened.set(column, text);
    return trim ? text.trim() : text;
  }

  #refused(field: string, code: string, message: string): Refused {
    return new Refused(code, `column ${columnOf(this.#fields[field])} ${message}`);
  }
}

/** Control characters that no FHIR text has, and what UTF-8 cannot carry. */
const UNTEXTUAL = /[^\t\n\r -\uffff]|\p{Surrogate}/u;

function opened(opener: Opener, token: string): string {
  if (!opener.hasKeys) throw new Refused("no_key", "is sealed: give --fernet-key-file");
  if (!looksSealed(token)) throw new Refused("not_sealed", "should be a Fernet token, and is none");
  return textOf(opener.open(token), "utf8");
}

/** Says which column it was, once. */
function named<T>(column: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Refused) || error.message.startsWith("column ")) throw error;
    throw new Refused(error.code, `column ${column} ${error.message}`);
  }
}

function columnOf(value: Value | undefined): string {
  if (value === undefined || typeof value === "string") return value ?? "";
  return value.column ?? value.join?.join(" + ") ?? "(constant)";
}

/** Every column that a value is made of. */
export function columnsOf(value: Value): string[] {
  if (typeof value === "string") return [value];
  return [value.column ?? [], value.join ?? []].flat();
}
