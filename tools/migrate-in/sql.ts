import { type Cell, Refused, type SourceRow } from "./row.ts";
import { charAt, type Dialect, skipBlank, stringAt, take, tupleAt } from "./sql-value.ts";
import { needMore, type Window } from "./unit.ts";

/** A table as the dump declares it. */
interface Table {
  columns: string[];
  /** Those that hold bytes: PostgreSQL writes them as `\x…`. */
  bytes: Set<string>;
}

interface RowsOf {
  readonly name: string;
  readonly columns: readonly string[] | null;
  readonly isCopy: boolean;
}

/** What a unit of a dump is: a row, or something that holds none. */
export type SqlUnit = SourceRow | "other";

const NAME = '(?:`(?:[^`]|``)+`|"(?:[^"]|"")+"|\\[[^\\]]+\\]|[\\w$]+)';
const QUALIFIED = `((?:${NAME}\\s*\\.\\s*)?${NAME})`;
const COMMENT = /--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/;?|\\[^\n]*(?:\n|$)/y;
const OPENING = /--|#|\/\*|\\/y;
const INSERT = new RegExp(
  `(?:INSERT|REPLACE)\\s+(?:LOW_PRIORITY\\s+|DELAYED\\s+|IGNORE\\s+|OR\\s+\\w+\\s+)*INTO\\s+${QUALIFIED}\\s*(\\((?:[^()']|''|'[^']*')*\\))?\\s*(?:OVERRIDING\\s+\\w+\\s+VALUE\\s+)?VALUES\\s*(?=\\()`,
  "iy",
);
const COPY = new RegExp(`COPY\\s+${QUALIFIED}\\s*(\\([^)]*\\))?\\s+FROM\\s+stdin[^;]*;[ \\t]*\\r?\\n`, "iy");
const CREATE = new RegExp(
  `CREATE\\s+(?:\\w+\\s+)?TABLE\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?${QUALIFIED}\\s*\\(`,
  "iy",
);
const DOLLAR = /\$\w*\$/y;
const NO_COLUMN = /^(?:PRIMARY|UNIQUE|KEY|INDEX|CONSTRAINT|FOREIGN|CHECK|FULLTEXT|SPATIAL|EXCLUDE|LIKE)\b/i;
const BYTES_TYPE = /^\s*(?:bytea|[a-z]*blob|(?:var)?binary)\b/i;
const FERNET_HEX = /^\\x674141414141/;
const COPY_ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * Takes unit after unit of a dump of SQL: what mysqldump, mariadb-dump, pg_dump (as COPY or INSERT)
 * and `.dump` of SQLite write. A tuple with a value too many or missing is a row with a fault.
 */
export class SqlUnits {
  readonly #dialect: Dialect;
  readonly #tables = new Map<string, Table>();
  readonly #counts = new Map<string, number>();
  /** Of the INSERT or COPY that is being read. */
  #rowsOf: RowsOf | null = null;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  next = (window: Window): SqlUnit | null => {
    if (this.#rowsOf?.isCopy) return this.#copied(window, this.#rowsOf);
    if (this.#rowsOf) return this.#inserted(window, this.#rowsOf);
    skipBlank(window);
    if (window.at >= window.text.length) return window.isEnd ? null : needMore(window);
    return this.#statement(window);
  };

  #statement(window: Window): SqlUnit {
    if (!window.isEnd && window.text.length - window.at < 4_096) needMore(window);
    OPENING.lastIndex = window.at;
    if (OPENING.test(window.text)) {
      const isWhole = take(window, COMMENT) !== null && (window.at < window.text.length || window.isEnd);
      return isWhole ? "other" : needMore(window);
    }
    const copy = take(window, COPY);
    const insert = copy ?? take(window, INSERT);
    if (insert) {
      const name = bareName(insert[1] as string);
      const named = insert[2] ? namesIn(insert[2]) : null;
      this.#rowsOf = {
        name,
        columns: named ?? this.#tables.get(name)?.columns ?? null,
        isCopy: copy !== null,
      };
      return "other";
    }
    const start = window.at;
    const create = take(window, CREATE);
    window.at = start;
    const statement = statementAt(window, this.#dialect);
    if (create) this.#tables.set(bareName(create[1] as string), tableOf(statement.slice(create[0].length)));
    return "other";
  }

  #inserted(window: Window, rows: RowsOf): SqlUnit {
    skipBlank(window);
    if (charAt(window) !== "(") {
      // `;`, or what stands behind the rows: ON CONFLICT …
      statementAt(window, this.#dialect);
      this.#rowsOf = null;
      return "other";
    }
    const tuple = tupleAt(window, this.#dialect);
    const row = this.#row(rows.name, rows.columns, tuple);
    skipBlank(window);
    if (charAt(window) === ",") window.at++;
    this.#count(rows.name);
    return row;
  }

  #copied(window: Window, rows: RowsOf): SqlUnit {
    const end = window.text.indexOf("\n", window.at);
    if (end === -1) return needMore(window);
    const line = window.text.slice(window.at, end).replace(/\r$/, "");
    window.at = end + 1;
    if (line === "\\.") {
      this.#rowsOf = null;
      return "other";
    }
    const row = this.#row(rows.name, rows.columns, line.split("\t").map(copyCell));
    this.#count(rows.name);
    return row;
  }

  #row(table: string, columns: readonly string[] | null, tuple: Cell[] | Refused): SourceRow {
    const number = (this.#counts.get(table) ?? 0) + 1;
    const names = columns ?? [];
    if (tuple instanceof Refused) return { table, number, columns: names, cells: [], fault: tuple };
    const cells = tuple.map((cell, at) => this.#bytes(table, names[at], cell));
    if (columns !== null && cells.length === columns.length) return { table, number, columns, cells };
    const fault =
      columns === null
        ? new Refused("unknown_columns", "has no column names: dump the table's definition too")
        : columnFault(cells.length, columns.length);
    return { table, number, columns: names, cells, fault };
  }

  #bytes(table: string, column: string | undefined, cell: Cell): Cell {
    if (this.#dialect === "mysql" || typeof cell !== "string" || !cell.startsWith("\\x")) return cell;
    const known = this.#tables.get(table);
    const isBytes = known ? known.bytes.has(column ?? "") : FERNET_HEX.test(cell);
    return isBytes ? Buffer.from(cell.slice(2), "hex") : cell;
  }

  #count(table: string): void {
    this.#counts.set(table, (this.#counts.get(table) ?? 0) + 1);
  }
}

export const columnFault = (found: number, expected: number): Refused =>
  new Refused("column_count", `has ${found} values instead of ${expected}`);

/** Which dialect a dump is, and whether it says at its end that it is whole. */
export function kindOf(head: string): { dialect: Dialect; ending: RegExp | null } {
  if (/^(?:\/\*M?![^\n]*\n)?-- (?:MySQL|MariaDB) dump/m.test(head))
    return { dialect: "mysql", ending: /-- Dump completed/ };
  if (/PostgreSQL database dump/.test(head))
    return { dialect: "standard", ending: /PostgreSQL database dump complete/ };
  if (/^PRAGMA foreign_keys/m.test(head)) return { dialect: "standard", ending: /COMMIT;|ROLLBACK;/ };
  return { dialect: /`|ENGINE=|phpMyAdmin/i.test(head) ? "mysql" : "standard", ending: null };
}

/** From here to behind its semicolon; quotes, comments and dollar quotes are passed over. */
function statementAt(window: Window, dialect: Dialect): string {
  const start = window.at;
  for (;;) {
    const char = charAt(window);
    if (char === ";") break;
    if (char === "'" || char === '"' || char === "`") stringAt(window, dialect === "mysql" && char !== "`");
    else if (char === "$" && dialect === "standard") {
      const tag = take(window, DOLLAR)?.[0];
      const end = tag ? window.text.indexOf(tag, window.at) : window.at;
      if (end === -1) return needMore(window);
      window.at = end + (tag?.length ?? 1);
    } else if ((char === "-" || char === "/") && take(window, COMMENT)) continue;
    else window.at++;
  }
  window.at++;
  return window.text.slice(start, window.at - 1);
}

/** Columns of what stands between the parentheses of CREATE TABLE. */
function tableOf(definition: string): Table {
  const table: Table = { columns: [], bytes: new Set() };
  for (const part of topLevelParts(definition)) {
    const text = part.replaceAll(/--[^\n]*\n|\/\*[\s\S]*?\*\//g, " ").trim();
    const name = new RegExp(`^${NAME}`).exec(text)?.[0];
    if (!name || NO_COLUMN.test(text)) continue;
    const column = bareName(name);
    table.columns.push(column);
    if (BYTES_TYPE.test(text.slice(name.length))) table.bytes.add(column);
  }
  return table;
}

function topLevelParts(text: string): string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  const tokens = /'(?:[^'\\]|''|\\.)*'|"[^"]*"|`[^`]*`|--[^\n]*|[(),]/g;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (token === "(") depth++;
    else if (token === ")" && --depth < 0) return [...parts, text.slice(from, index)];
    else if (token === "," && depth === 0) {
      parts.push(text.slice(from, index));
      from = index + 1;
    }
  }
  return [...parts, text.slice(from)];
}

const namesIn = (list: string): string[] =>
  topLevelParts(list.slice(1, -1)).map((name) => bareName(name.trim()));

/** Without schema and quotes. */
function bareName(name: string): string {
  const last = new RegExp(`${NAME}$`).exec(name.trim())?.[0] ?? name;
  const quote = last[0];
  if (quote === "`" || quote === '"') return last.slice(1, -1).replaceAll(quote + quote, quote);
  return quote === "[" ? last.slice(1, -1) : last;
}

/** https://www.postgresql.org/docs/current/sql-copy.html, text format. */
function copyCell(cell: string): Cell {
  if (cell === "\\N") return null;
  if (!cell.includes("\\")) return cell;
  return cell.replaceAll(/\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|([\s\S]))/g, (_all, hex, octal, char) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    return COPY_ESCAPES[char] ?? char;
  });
}
