import { Refused, SourceRefused } from "./row.ts";
import { needMore, type Window } from "./unit.ts";

/** RFC 4180: the cells of a line; an empty one that was not quoted, and `\N`, are null. */
export interface CsvLine {
  readonly cells: (string | null)[];
  readonly fault?: Refused;
  /** It ends with the file, without a line end. */
  readonly isLast: boolean;
}

export const BOM = "\xef\xbb\xbf";
const LINE_END = /\r\n|\n|\r/g;

/**
 * Takes the next line that holds something. Throws SourceRefused where the file ends inside quotes.
 * @param delimiter one character
 */
export function nextLine(window: Window, delimiter: string): CsvLine | null {
  const { text } = window;
  skipEmptyLines(window);
  if (window.at >= text.length) return window.isEnd ? null : needMore(window);
  const cells: (string | null)[] = [];
  let fault: Refused | undefined;
  for (;;) {
    if (text[window.at] === '"') {
      cells.push(quoted(window));
      if (!isCellEnd(window, delimiter)) {
        fault ??= new Refused("bad_quotes", "has text behind a closing quote");
        plain(window, delimiter);
      }
    } else {
      const cell = plain(window, delimiter);
      cells.push(cell === "" || cell === "\\N" ? null : cell);
    }
    if (text[window.at] === delimiter) window.at++;
    else break;
  }
  const isLast = window.at >= text.length;
  if (isLast && !window.isEnd) needMore(window);
  endLine(window);
  return { cells, isLast, ...(fault && { fault }) };
}

/** The names of a header. Throws SourceRefused for one that is missing, empty or named twice. */
export function headerOf(line: CsvLine | null, file: string): string[] {
  if (line === null) throw new SourceRefused(`${file} is empty.`);
  const names = line.cells.map((cell) => cell?.trim() ?? "");
  const bad = names.find((name, at) => name === "" || names.indexOf(name) !== at);
  if (bad === undefined && line.fault === undefined) return names;
  throw new SourceRefused(`the first line of ${file} must name each column once.`);
}

function skipEmptyLines(window: Window): void {
  const { text } = window;
  while (text[window.at] === "\n" || text[window.at] === "\r") window.at++;
}

/** From the opening quote to behind the closing one; two quotes stand for one. */
function quoted(window: Window): string {
  const { text } = window;
  for (let from = window.at + 1; ; ) {
    const end = text.indexOf('"', from);
    if (end === -1) return needMore(window);
    if (end + 1 >= text.length && !window.isEnd) return needMore(window);
    if (text[end + 1] === '"') from = end + 2;
    else {
      const cell = text.slice(window.at + 1, end).replaceAll('""', '"');
      window.at = end + 1;
      return cell;
    }
  }
}

/** To the end of the cell. */
function plain(window: Window, delimiter: string): string {
  const { text, at } = window;
  LINE_END.lastIndex = at;
  const lineEnd = LINE_END.exec(text)?.index ?? text.length;
  if (lineEnd >= text.length - 1 && !window.isEnd) return needMore(window);
  const next = text.indexOf(delimiter, at);
  window.at = next === -1 || next > lineEnd ? lineEnd : next;
  return text.slice(at, window.at);
}

function isCellEnd({ text, at }: Window, delimiter: string): boolean {
  const char = text[at];
  return char === undefined || char === delimiter || char === "\n" || char === "\r";
}

function endLine(window: Window): void {
  const { text } = window;
  if (text.startsWith("\r\n", window.at)) window.at += 2;
  else if (window.at < text.length) window.at++;
}
