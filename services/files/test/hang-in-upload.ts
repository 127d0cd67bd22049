import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { BlobStore } from "../src/files/blob.store.ts";

/** Receives a blob that never ends, for a test to kill: the directory is the one argument. */
const store = await BlobStore.open(process.argv[2] ?? "");
await store.receive(async (to) => {
  for (;;) {
    await to.write(randomBytes(16_384), 0, 16_384, null);
    await delay(5);
  }
});
