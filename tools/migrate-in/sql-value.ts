import { type Cell, Refused } from "./row.ts";
import { needMore, type Window } from "./unit.ts";

/** How a dump writes its texts: only MySQL and MariaDB escape by a backslash everywhere. */
export type Dialect = "mysql" | "standard";

const BLANK = /[\s\0]*/y;
const INTRODUCER = /(?:_[A-Za-z0-9]+\s*)(?=['0xX])/y;
const ESCAPED = /(?:E|e)(?=')/y;
const HEX = /0x([0-9A-Fa-f]*)|[xX]'([0-9A-Fa-f\s]*)'/y;
const WORD = /[A-Za-z_][A-Za-z0-9_$]*/y;
const NUMBER = /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const CAST = /::[A-Za-z_][A-Za-z0-9_ ]*/y;
/** A text that ends here may go on behind it: `''`, a word, a number. */
const EDGE_CHARS = 64;
const MYSQL_ESCAPES: Readonly<Record<string, string>> = {
  0: "\0",
  b: "\b",
  n: "\n",
  r: "\r",
  t: "\t",
  Z: "\x1a",
};

/** Moves over blanks. */
export function skipBlank(window: Window): void {
  BLANK.lastIndex = window.at;
  BLANK.test(window.text);
  window.at = BLANK.lastIndex;
}

/** Takes what `pattern` (sticky) finds here, or null. */
export function take(window: Window, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = window.at;
  const found = pattern.exec(window.text);
  if (found) window.at = pattern.lastIndex;
  return found;
}

/** The character at hand; asks for more at the end of what is there. */
export function charAt(window: Window): string {
  return window.text[window.at] ?? needMore(window);
}

/** `(1, 'a', NULL)`, from its parenthesis to behind it. What cannot be read is a Refused. */
export function tupleAt(window: Window, dialect: Dialect): Cell[] | Refused {
  window.at++;
  const cells: Cell[] = [];
  for (;;) {
    skipBlank(window);
    if (charAt(window) === ")" && cells.length === 0) break;
    const cell = valueAt(window, dialect);
    if (cell instanceof Refused) return skipTuple(window, dialect, cell);
    cells.push(cell);
    skipBlank(window);
    const next = charAt(window);
    if (next === ")") break;
    if (next !== ",") return skipTuple(window, dialect, unreadable());
    window.at++;
  }
  window.at++;
  return cells;
}

function valueAt(window: Window, dialect: Dialect): Cell | Refused {
  if (window.text.length - window.at < EDGE_CHARS && !window.isEnd) needMore(window);
  take(window, INTRODUCER);
  const hex = take(window, HEX);
  if (hex) return Buffer.from((hex[1] ?? hex[2] ?? "").replaceAll(/\s/g, ""), "hex");
  if (/[0xX]/.test(charAt(window)) && isUnfinishedHex(window)) needMore(window);
  const isEscaped = take(window, ESCAPED) !== null || dialect === "mysql";
  if (charAt(window) === "'") return withoutCast(window, stringAt(window, isEscaped));
  const number = take(window, NUMBER);
  if (number) return withoutCast(window, number[0]);
  const word = take(window, WORD)?.[0].toLowerCase();
  if (word === "null") return withoutCast(window, null);
  if (word === "true" || word === "false") return word === "true" ? "1" : "0";
  if (word === undefined) return unreadable();
  skipBlank(window);
  return charAt(window) === "(" ? called(word, tupleAt(window, dialect)) : unreadable();
}

function isUnfinishedHex({ text, at, isEnd }: Window): boolean {
  return !isEnd && /^(?:0x[0-9A-Fa-f]*|[xX]'[0-9A-Fa-f\s]*)$/.test(text.slice(at));
}

function withoutCast<T>(window: Window, value: T): T {
  take(window, CAST);
  return value;
}

/** What SQLite writes for texts with line ends, and MySQL's UNHEX. */
function called(name: string, args: Cell[] | Refused): Cell | Refused {
  if (args instanceof Refused) return args;
  const [a, b, c] = args.map((arg) => (typeof arg === "string" ? arg : null));
  if (name === "replace" && a != null && b != null && c != null) return a.replaceAll(b, () => c);
  if (name === "char" && a != null) return String.fromCharCode(Number(a));
  if (name === "unhex" && a != null) return Buffer.from(a, "hex");
  if (name === "unistr" && a != null) return unistr(a);
  return unreadable();
}

const unistr = (text: string): string =>
  text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|\+([0-9a-fA-F]{6})|(\\))/g, (_all, four, six, backslash) =>
    backslash ? "\\" : Buffer.from(String.fromCodePoint(Number.parseInt(four ?? six, 16))).toString("latin1"),
  );

/** A text in quotes; two of them stand for one. */
export function stringAt(window: Window, isEscaped: boolean): string {
  const { text } = window;
  const quote = text[window.at] as string;
  const parts: string[] = [];
  let from = window.at + 1;
  let at = from;
  for (;;) {
    const end = text.indexOf(quote, at);
    if (end === -1) return needMore(window);
    const slash = isEscaped ? text.indexOf("\\", at) : -1;
    if (slash !== -1 && slash < end) {
      const char = text[slash + 1] ?? needMore(window);
      // `\%` and `\_` stay as they are.
      parts.push(text.slice(from, slash), MYSQL_ESCAPES[char] ?? (/[%_]/.test(char) ? `\\${char}` : char));
      at = from = slash + 2;
      continue;
    }
    if (end + 1 >= text.length && !window.isEnd) return needMore(window);
    parts.push(text.slice(from, end));
    window.at = end + 1;
    if (text[end + 1] !== quote) return parts.length === 1 ? (parts[0] as string) : parts.join("");
    parts.push(quote);
    at = from = end + 2;
  }
}

const unreadable = (): Refused => new Refused("unreadable", "is no value that this tool reads");

/** Over the rest of a tuple whose one value is not understood, its texts and all. */
function skipTuple(window: Window, dialect: Dialect, fault: Refused): Refused {
  for (let depth = 1; depth > 0; ) {
    const char = charAt(window);
    if (char === "'" || char === '"') stringAt(window, dialect === "mysql");
    else {
      if (char === "(") depth++;
      if (char === ")") depth--;
      window.at++;
    }
  }
  return fault;
}
