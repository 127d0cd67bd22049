import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { BlobStore } from "../src/files/blob.store.ts";

/** Receives a blob that never ends, for a test to kill: the directory is the one argument. */
async function* endless(): AsyncGenerator<Buffer> {
  for (;;) {
    yield randomBytes(16_384);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const store = await BlobStore.open(process.argv[2] ?? "");
const signal = new AbortController().signal;
await store.receive(Readable.from(endless()), new PassThrough(), new PassThrough(), signal);
