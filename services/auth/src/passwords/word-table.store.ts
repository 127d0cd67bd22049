import { readFile } from "node:fs/promises";
import { decodeWords, type WordTable } from "./word-table.ts";

/** See data/README.md; made by dev/common-words.ts. */
const FILE = new URL("../../data/common-words.bin", import.meta.url);

let opened: Promise<WordTable> | null = null;

/** The common words: read at the first question (8 MB, 0.1 s), and kept. */
export function commonWords(): Promise<WordTable> {
  opened ??= readFile(FILE).then(decodeWords);
  opened.catch(() => {
    opened = null; // a file that could not be read may be there the next time
  });
  return opened;
}
