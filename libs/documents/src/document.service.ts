import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Unavailable } from "@medvault/contracts";
import type { Block, DocumentOptions } from "./block.ts";
import type { Made, Next } from "./document.worker.ts";

/** Documents under way in this process; further ones wait, so many and so long. */
const AT_ONCE = 2;
const WAITING_MAX = 16;
const WAIT_MS = 60_000;
/** What a thread may take for a batch of blocks, and in memory. */
const BATCH_MS = 20_000;
const MAX_HEAP_MIB = 384;
const BLOCKS_PER_BATCH = 100;

/** A document could not be made: its thread died or was too slow, or too many are under way. */
export class DocumentFailed extends Unavailable {}

/**
 * The bytes of a PDF as they are made, in a thread of its own. `blocks` are asked for as bytes are
 * taken, so that memory is the same however many there are. Throws DocumentFailed, and what
 * `blocks` throws.
 */
export async function* documentOf(
  options: DocumentOptions,
  blocks: Iterable<Block> | AsyncIterable<Block>,
): AsyncGenerator<Uint8Array> {
  await turn();
  const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MIB };
  const url = new URL("./document.worker.ts", import.meta.url);
  const worker = new Worker(url, { workerData: options, resourceLimits });
  try {
    for await (const batch of batches(blocks)) yield* made(await answer(worker, batch));
    yield* made(await answer(worker, null));
  } finally {
    await worker.terminate();
    next();
  }
}

async function* batches(blocks: Iterable<Block> | AsyncIterable<Block>): AsyncGenerator<Block[]> {
  let batch: Block[] = [];
  for await (const block of blocks) {
    batch.push(block);
    if (batch.length < BLOCKS_PER_BATCH) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

async function answer(worker: Worker, blocks: Next): Promise<Made> {
  const answered = new AbortController();
  const signal = AbortSignal.any([AbortSignal.timeout(BATCH_MS), answered.signal]);
  try {
    const message = once(worker, "message", { signal });
    const death = once(worker, "exit", { signal });
    death.catch(() => {});
    worker.postMessage(blocks);
    const [first] = await Promise.race([message, death.then(() => Promise.reject(new DocumentFailed()))]);
    return first as Made;
  } catch {
    throw new DocumentFailed();
  } finally {
    answered.abort();
  }
}

function* made({ bytes }: Made): Generator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

let running = 0;
const waiting = new Set<() => void>();

/** Waits for a place. Throws DocumentFailed for one too many, or one that waited too long. */
function turn(): Promise<void> {
  if (running < AT_ONCE) {
    running += 1;
    return Promise.resolve();
  }
  if (waiting.size >= WAITING_MAX) throw new DocumentFailed();
  return new Promise((resolve, reject) => {
    const call = () => {
      clearTimeout(timer);
      waiting.delete(call);
      resolve();
    };
    const timer = setTimeout(() => {
      waiting.delete(call);
      reject(new DocumentFailed());
    }, WAIT_MS);
    waiting.add(call);
  });
}

/** Passes a place on. */
function next(): void {
  const [call] = waiting;
  if (call) call();
  else running -= 1;
}
