import { Unavailable } from "@medvault/contracts";
import type { Departure } from "./exchange.client.ts";
import { ClientGone } from "./proxy.errors.ts";

/** At once, before one service. */
const WAITING_MAX = 1_024;
/** A body that is larger, or that streams, does not wait: what is held stays under 64 MiB. */
const HELD_BYTES_MAX = 64 * 1024;
/** Of the time for an answer: what is sent late is spent by a service for a caller who has left. */
const SHARE_OF_ANSWER = 0.4;

interface Waiting {
  readonly body: unknown;
  readonly client: Departure;
  readonly answerMs: number;
}

/**
 * Where calls to a service wait for their turn, first come first served, while it has as many as it
 * may: bounded in number, in what they hold, and in time, so that a burst is served in turn and a
 * service that does not keep up is not buried.
 */
export class WaitingRoom {
  readonly #waiting = new Set<{ go(): void; dismiss(): void }>();

  /** How long it waited, in ms. Throws Unavailable, ClientGone. */
  async turn({ body, client, answerMs }: Waiting): Promise<number> {
    const holdsLittle = body === null || (Buffer.isBuffer(body) && body.length <= HELD_BYTES_MAX);
    if (this.#waiting.size >= WAITING_MAX || !holdsLittle) throw new Unavailable();
    if (client.gone) throw new ClientGone("the client went away");
    const since = performance.now();
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        client.onGone = null;
        this.#waiting.delete(entry);
      };
      const refuse = (error: Error) => {
        leave();
        reject(error);
      };
      const entry = {
        go() {
          leave();
          resolve(performance.now() - since);
        },
        dismiss: () => refuse(new Unavailable()),
      };
      const timer = setTimeout(entry.dismiss, answerMs * SHARE_OF_ANSWER);
      client.onGone = () => refuse(new ClientGone("the client went away"));
      this.#waiting.add(entry);
    });
  }

  /** A place is free. */
  callNext(): void {
    const [next] = this.#waiting;
    next?.go();
  }

  /** Nothing will be free soon: the service is away. */
  dismiss(): void {
    for (const waiting of this.#waiting) waiting.dismiss();
  }
}
