import type { KeyObject } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { lengthPrefixed, openBox, readWrappedKeyHeader, sealBox, unwrapKey } from "@medvault/crypto";
import {
  type Batch,
  joinForTransfer,
  type OpenJob,
  packOpened,
  unpackJobs,
  unpackOpenJobs,
} from "./seal-codec.ts";

/** The thread of seal-pool.ts: packed jobs in, what came of them out, in order. */
parentPort?.on("message", ({ id, jobs, serviceKeys }: Batch) => {
  const bytes = Buffer.from(jobs.buffer);
  const done = serviceKeys ? opened(bytes, serviceKeys) : sealed(bytes);
  bytes.fill(0);
  const answer = joinForTransfer(done);
  parentPort?.postMessage({ id, jobs: answer }, [answer.buffer]);
});

function sealed(jobs: Buffer): Buffer[] {
  const boxes: Buffer[] = [];
  for (const { key, keyVersion, context, plaintext, suite } of unpackJobs(jobs)) {
    boxes.push(lengthPrefixed(sealBox({ key, version: keyVersion }, context, plaintext, suite)));
  }
  return boxes;
}

function opened(jobs: Buffer, serviceKeys: ReadonlyMap<number, readonly KeyObject[]>): Buffer[] {
  const plaintexts: Buffer[] = [];
  for (const job of unpackOpenJobs(jobs)) plaintexts.push(packOpened(openedOne(job, serviceKeys)));
  return plaintexts;
}

/** By the service key that has its number, or had it before two were joined. */
function openedOne(
  { wrapped, context, box }: OpenJob,
  serviceKeys: ReadonlyMap<number, readonly KeyObject[]>,
): Buffer | null {
  try {
    const { serviceKeyVersion: version, keyVersion } = readWrappedKeyHeader(wrapped);
    const { service, subjectId } = context;
    for (const key of serviceKeys.get(version) ?? []) {
      const subjectKey = tried(() => unwrapKey({ key, version }, [service, "subject", subjectId], wrapped));
      if (subjectKey === null) continue;
      try {
        return openBox({ key: subjectKey, version: keyVersion }, context, box);
      } finally {
        subjectKey.fill(0);
      }
    }
    return null;
  } catch {
    return null;
  }
}

function tried<T>(step: () => T): T | null {
  try {
    return step();
  } catch {
    return null;
  }
}
