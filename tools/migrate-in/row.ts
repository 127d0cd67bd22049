/** As it lies in the source: bytes, each a character of a text (Latin-1), or a Buffer. */
export type Cell = string | Buffer | null;

/** One row of a table of the source. */
export interface SourceRow {
  readonly table: string;
  /** Among the rows of its table, from 1. */
  readonly number: number;
  readonly columns: readonly string[];
  readonly cells: readonly Cell[];
  /** Why it cannot be read; its cells are not to be trusted. */
  readonly fault?: Refused;
}

/** Why a row is refused: never with a value of it. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The whole source is refused, and nothing of it is stored. */
export class SourceRefused extends Error {}

/** In which a dump or CSV writes its letters. */
export type Encoding = "utf8" | "latin1";

const ASCII = /^[\0-\x7f]*$/;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Browsers and Excel mean Windows-1252 when they say Latin-1, and so do we. */
const LATIN1 = new TextDecoder("windows-1252");

/** What a cell says. Throws Refused where its bytes are no text in this encoding. */
export function textOf(cell: Exclude<Cell, null>, encoding: Encoding): string {
  if (typeof cell === "string" && ASCII.test(cell)) return cell;
  const bytes = bytesOf(cell);
  if (encoding === "latin1") return LATIN1.decode(bytes);
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new Refused("bad_encoding", 'is not UTF-8: say "encoding": "latin1" in the map if it is Latin-1');
  }
}

export const bytesOf = (cell: Exclude<Cell, null>): Buffer =>
  typeof cell === "string" ? Buffer.from(cell, "latin1") : cell;
