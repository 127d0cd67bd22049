import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SealPoolFailed } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import {
  type Batch,
  joinForTransfer,
  type OpenJob,
  packJob,
  packOpenJob,
  unpack,
  unpackOpened,
} from "./seal-codec.ts";
import type { SealJob } from "./sealed-table.ts";

// One core stays with the event loop; more than four threads were never needed for an import.
const MAX_WORKERS = Math.max(1, Math.min(4, availableParallelism() - 1));
// Some 10 ms of work: long enough to be worth a message, short enough to share out.
const ROWS_PER_BATCH = 250;
const IDLE_MS = 10_000;

interface Waiting {
  readonly resolve: (parts: Buffer[]) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

const threads = new Map<number, Thread>();
let idleTimer: NodeJS.Timeout | undefined;
let lastId = 0;

/**
 * Seals `count` jobs in worker threads, in their order. Keys and plaintexts cross as bytes that are
 * moved, not copied, and the thread wipes them. Throws SealPoolFailed when a thread dies, or what
 * `jobAt` throws; the other threads stop at their next batch.
 */
export function sealByWorkers(
  keyring: Keyring,
  count: number,
  jobAt: (index: number) => SealJob,
): Promise<Buffer[]> {
  return byWorkers(count, (from, to) => {
    const packed: Buffer[] = [];
    for (let at = from; at < to; at += 1) packed.push(pack(keyring, jobAt(at)));
    return { jobs: joinForTransfer(packed), serviceKeys: null };
  });
}

/**
 * Opens boxes in worker threads, which unwrap their subjects' keys too: by the service keys of now,
 * which cross as KeyObjects. In order; null for one that does not open. Throws SealPoolFailed.
 */
export async function openByWorkers(keyring: Keyring, jobs: readonly OpenJob[]): Promise<(Buffer | null)[]> {
  const parts = await byWorkers(jobs.length, (from, to) => {
    const batch = jobs.slice(from, to);
    const serviceKeys = keyring.serviceKeysOf(batch.map(({ wrapped }) => wrapped));
    return { jobs: joinForTransfer(batch.map(packOpenJob)), serviceKeys };
  });
  return parts.map(unpackOpened);
}

/**
 * Each batch is made just before it is sent, so that the event loop is held for a few milliseconds
 * at a time and one batch per thread is all that is in memory twice.
 */
async function byWorkers(
  count: number,
  batchOf: (from: number, to: number) => Omit<Batch, "id">,
): Promise<Buffer[]> {
  clearTimeout(idleTimer);
  const done: Buffer[][] = [];
  const batches = Math.ceil(count / ROWS_PER_BATCH);
  let next = 0;
  const drain = async (thread: number): Promise<void> => {
    while (next < batches) {
      const batch = next;
      next += 1;
      const from = batch * ROWS_PER_BATCH;
      const made = batchOf(from, Math.min(count, from + ROWS_PER_BATCH));
      done[batch] = await send(threadAt(thread), made);
    }
  };
  const drains = await Promise.allSettled(
    Array.from({ length: MAX_WORKERS }, (_, thread) =>
      drain(thread).catch((error: unknown) => {
        next = batches;
        throw error;
      }),
    ),
  );
  if ([...threads.values()].every(({ waiting }) => waiting.size === 0)) {
    idleTimer = setTimeout(() => void closeSealPool(), IDLE_MS).unref();
  }
  for (const drained of drains) if (drained.status === "rejected") throw drained.reason;
  return done.flat();
}

/** Ends the threads; work under way fails with SealPoolFailed. The next sealMany starts others. */
export async function closeSealPool(): Promise<void> {
  clearTimeout(idleTimer);
  const ending = [...threads.values()];
  threads.clear();
  await Promise.all(ending.map(({ worker }) => worker.terminate()));
}

function pack(keyring: Keyring, job: SealJob): Buffer {
  const { key, version } = keyring.subjectKey(job.wrapped, job.context.subjectId);
  const packed = packJob(job, key, version);
  job.plaintext.fill(0);
  return packed;
}

function send(thread: Thread, { jobs, serviceKeys }: Omit<Batch, "id">): Promise<Buffer[]> {
  lastId += 1;
  const id = lastId;
  return new Promise((resolve, reject) => {
    thread.waiting.set(id, { resolve, reject });
    thread.worker.ref(); // a process with work under way stays; an idle thread does not keep it alive
    thread.worker.postMessage({ id, jobs, serviceKeys } satisfies Batch, [jobs.buffer]);
  });
}

function threadAt(index: number): Thread {
  const running = threads.get(index);
  if (running) return running;
  const worker = new Worker(new URL("./seal.worker.ts", import.meta.url));
  const thread: Thread = { worker, waiting: new Map() };
  worker.on("message", (message: Omit<Batch, "serviceKeys">) => {
    const waiting = thread.waiting.get(message.id);
    thread.waiting.delete(message.id);
    if (thread.waiting.size === 0) worker.unref();
    waiting?.resolve(unpack(Buffer.from(message.jobs.buffer)));
  });
  const fail = (): void => {
    if (threads.get(index) === thread) threads.delete(index);
    for (const { reject } of thread.waiting.values()) reject(new SealPoolFailed());
    thread.waiting.clear();
  };
  worker.on("error", fail);
  worker.on("exit", fail);
  worker.unref();
  threads.set(index, thread);
  return thread;
}
