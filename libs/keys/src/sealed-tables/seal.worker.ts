import { parentPort } from "node:worker_threads";
import { lengthPrefixed, sealBox } from "@medvault/crypto";
import { joinForTransfer, unpackJobs } from "./seal-codec.ts";

/** The thread of seal-pool.ts: packed jobs in, their boxes out, in order. */
parentPort?.on("message", (message: { id: number; jobs: Uint8Array<ArrayBuffer> }) => {
  const jobs = Buffer.from(message.jobs.buffer);
  const boxes: Buffer[] = [];
  for (const { key, keyVersion, context, plaintext, suite } of unpackJobs(jobs)) {
    boxes.push(lengthPrefixed(sealBox({ key, version: keyVersion }, context, plaintext, suite)));
  }
  jobs.fill(0);
  const sealed = joinForTransfer(boxes);
  parentPort?.postMessage({ id: message.id, sealed }, [sealed.buffer]);
});
