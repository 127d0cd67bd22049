import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import type { Block, DocumentOptions } from "./block.ts";
import { Sheet } from "./sheet.ts";

/** The next blocks of a document; null: there are no more. */
export type Next = readonly Block[] | null;
/** What has been made of it since the last answer. */
export interface Made {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The thread of document.service.ts: one document. Blocks in, bytes out, an answer for each. */
const sheet = new Sheet(workerData as DocumentOptions);
const made: Uint8Array[] = [];
sheet.pdf.on("data", (chunk: Uint8Array) => made.push(chunk));

parentPort?.on("message", (blocks: Next) => {
  void (async () => {
    for (const block of blocks ?? []) sheet.put(block);
    if (blocks === null) {
      const ended = once(sheet.pdf, "end");
      sheet.pdf.end();
      await ended;
    } else await new Promise(setImmediate);
    const bytes = new Uint8Array(made.reduce((all, { length }) => all + length, 0));
    let at = 0;
    for (const chunk of made.splice(0)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    parentPort?.postMessage({ bytes } satisfies Made, [bytes.buffer]);
  })();
});
