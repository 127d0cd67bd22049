import { Worker } from "node:worker_threads";
import { Unavailable } from "@medvault/contracts";
import { normalisePassword, type PasswordOwner } from "./password-policy.ts";

/** 0: guessed at once, to 4: not in a lifetime (zxcvbn). */
type Score = 0 | 1 | 2 | 3 | 4;

export interface StrengthMeter {
  /** Throws Unavailable when too many ask at once. */
  scoreOf(password: string, owner: PasswordOwner): Promise<Score>;
  close(): Promise<void>;
}

const WAITING_MAX = 50;
/** The first answer waits for the dictionaries: 0.7 s, and more on a busy machine. */
const PATIENCE_MS = 20_000;

interface Waiting {
  resolve(score: Score): void;
  reject(error: Error): void;
}

/**
 * zxcvbn in a thread of its own, started at the first question: a guest's password must not hold
 * the event loop. A thread that does not answer in time is replaced.
 */
export function createStrengthMeter(): StrengthMeter {
  const waiting = new Map<number, Waiting>();
  let thread: Worker | null = null;
  let lastId = 0;

  function begin(): Worker {
    const worker = new Worker(new URL("./password-strength.worker.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 128 },
    });
    worker.unref();
    worker.on("message", ({ id, score }: { id: number; score: Score }) => {
      waiting.get(id)?.resolve(score);
      waiting.delete(id);
    });
    worker.on("error", () => giveUp(worker));
    worker.on("exit", () => giveUp(worker));
    return worker;
  }

  /** Everything that waits for this thread is refused; the next question starts another. */
  function giveUp(worker: Worker): void {
    if (thread !== worker) return;
    thread = null;
    for (const { reject } of waiting.values()) reject(new Unavailable());
    waiting.clear();
    void worker.terminate();
  }

  return {
    async scoreOf(password, owner) {
      if (waiting.size >= WAITING_MAX) throw new Unavailable();
      thread ??= begin();
      const worker = thread;
      const id = ++lastId;
      const hints = [owner.username, owner.email, owner.email?.split("@")[0]].filter(
        (hint) => hint !== undefined,
      );
      const timer = setTimeout(() => giveUp(worker), PATIENCE_MS);
      try {
        return await new Promise<Score>((resolve, reject) => {
          waiting.set(id, { resolve, reject });
          worker.postMessage({ id, password: normalisePassword(password), hints });
        });
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      const worker = thread;
      if (worker) giveUp(worker);
      await worker?.terminate();
    },
  };
}
