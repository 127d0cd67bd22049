// The lines of an export, read from a file in constant memory: hashes lie behind all entries, and
// are needed between
// them, so that the file is read at two places at once.
import { createReadStream } from "node:fs";
import { NotChecked } from "../verify.mjs";

const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 10;
const NODES = Buffer.from('{"kind":"nodes"');
const END = Buffer.from('{"kind":"end"');

/** @param {string} file */
export async function exportLines(file) {
  let [nodesAt, endAt, size] = [-1, -1, 0];
  /** @type {any} */
  let end = null;
  for await (const { at, bytes } of linesOf(file, 0)) {
    if (endAt >= 0) throw new NotChecked("there is something behind the end of the export");
    if (nodesAt < 0 && bytes.subarray(0, NODES.length).equals(NODES)) nodesAt = at;
    if (bytes.subarray(0, END.length).equals(END)) [endAt, end] = [at, parsed(bytes)];
    size = at + bytes.length;
  }
  const entriesEnd = nodesAt >= 0 ? nodesAt : Math.max(0, endAt);
  return {
    end,
    bytes: size,
    entries: () => parsedLines(file, 0, entriesEnd),
    nodes: () => parsedLines(file, entriesEnd, Math.max(0, endAt)),
  };
}

/** @param {string} file @param {number} from @param {number} to */
async function* parsedLines(file, from, to) {
  if (from < to) for await (const { bytes } of linesOf(file, from, to)) yield parsed(bytes);
}

/**
 * @param {string} file
 * @param {number} from
 * @param {number} [to]
 */
async function* linesOf(file, from, to = Number.POSITIVE_INFINITY) {
  let rest = Buffer.alloc(0);
  let at = from;
  for await (const piece of createReadStream(file, { start: from, end: to - 1, highWaterMark: 256 * 1024 })) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      if (end > start) yield { at: at + start, bytes: bytes.subarray(start, end) };
      start = end + 1;
    }
    at += start;
    rest = bytes.subarray(start);
    if (rest.length > MAX_LINE_BYTES)
      throw new NotChecked("a line of the export is larger than an entry can be");
  }
  if (rest.length > 0) yield { at, bytes: rest };
}

/** @param {Buffer} bytes */
function parsed(bytes) {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new NotChecked("a line of the export is not JSON: is it an export as ndjson?");
  }
}
