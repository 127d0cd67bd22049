import type { EventEmitter } from "node:events";
import { type Actor, RateLimited } from "@medvault/contracts";
import type { Request } from "express";

/** Fewer than the process has connections: one actor's searches leave some to everyone else. */
const AT_ONCE = 3;
const WAITING_MAX = 64;
const WAIT_MS = 1_000;

interface Line {
  running: number;
  /** First come, first served. */
  readonly waiting: Set<() => void>;
}

/**
 * So many searches of one actor at once; the actor's others wait in their order, in a bounded
 * number and for a bounded time. Who has nothing under way is not held.
 */
export class Turns {
  readonly #lines = new Map<string, Line>();
  readonly #waitingMax: number;
  readonly #waitMs: number;

  constructor({ waitingMax = WAITING_MAX, waitMs = WAIT_MS } = {}) {
    this.#waitingMax = waitingMax;
    this.#waitMs = waitMs;
  }

  /** With something under way. */
  get actors(): number {
    return this.#lines.size;
  }

  /**
   * Throws RateLimited for one too many, one that waited too long, or whose client left: its
   * `answer` closed.
   */
  async run<T>(actorId: string, answer: EventEmitter | undefined, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(actorId) ?? { running: 0, waiting: new Set() };
    if (line.running < AT_ONCE) line.running += 1;
    else await this.#called(line, answer);
    this.#lines.set(actorId, line);
    try {
      return await work();
    } finally {
      const [next] = line.waiting;
      if (next) next();
      else line.running -= 1;
      if (line.running === 0) this.#lines.delete(actorId);
    }
  }

  /** Waits for a place, which its last holder passes on. */
  #called({ waiting }: Line, answer: EventEmitter | undefined): Promise<void> {
    if (waiting.size >= this.#waitingMax) throw tooMany();
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        answer?.off("close", refuse);
        waiting.delete(call);
      };
      const call = () => {
        end();
        resolve();
      };
      const refuse = () => {
        end();
        reject(tooMany());
      };
      const timer = setTimeout(refuse, this.#waitMs);
      answer?.once("close", refuse);
      waiting.add(call);
    });
  }
}

const tooMany = () =>
  new RateLimited("Too many searches of yours at once. Wait for some to end, then try again.", 1);

/** A handler of a search, or of what costs as much: it runs in its actor's turn. */
export const inTurn =
  <C extends { readonly actor: Actor; readonly req: Request }, A>(
    context: { readonly turns: Turns },
    handle: (call: C) => Promise<A>,
  ) =>
  (call: C): Promise<A> =>
    context.turns.run(call.actor.id, call.req.res, () => handle(call));
