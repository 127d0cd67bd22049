import type { Readable } from "node:stream";
import {
  type Actor,
  ASSERTION_HEADER,
  ClockSkew,
  PURPOSE_HEADER,
  REQUEST_ID_HEADER,
  Unauthenticated,
  Unavailable,
} from "@medvault/contracts";
import { Pool } from "undici";
import { UNTIMELY_HEADER } from "./assertions.ts";
import { connectorOf } from "./connector.ts";
import type { Tls } from "./tls.ts";

/** The caller, with the gateway's assertion to pass on: never another credential. */
export interface Caller extends Actor {
  readonly assertion: string;
}

export const callerOf = (actor: Actor, req: { get(header: string): string | undefined }): Caller => ({
  ...actor,
  assertion: req.get(ASSERTION_HEADER) ?? "",
});

/** What goes with a request: whose it is, and what for. */
type Asking = Pick<Caller, "assertion" | "requestId" | "purpose" | "traceparent">;

export interface InternalClient {
  /**
   * Asks for `path` in the caller's name: POST where there is a body. Throws Unavailable (the
   * service is away, or too slow), ClockSkew (its clock is off, or the work outlived the assertion)
   * or Unauthenticated; what another status means is the asker's to say.
   */
  ask(caller: Asking, path: string, body?: object): Promise<{ status: number; body: unknown }>;
  /**
   * As ask, for an answer that is read as it comes, and read to its end or destroyed: `waitMs` is
   * then the longest pause in it.
   */
  open(caller: Asking, path: string): Promise<{ status: number; body: Readable }>;
  close(): Promise<void>;
}

/** Another service at `url`, which is given at most `waitMs` for an answer. */
export function internalClient(
  url: string,
  tls: Tls | null,
  { waitMs, connections }: { waitMs: number; connections: number },
): InternalClient {
  const pool = new Pool(url, {
    connections,
    connect: connectorOf(tls, waitMs),
    headersTimeout: waitMs,
    bodyTimeout: waitMs,
    keepAliveTimeout: 10_000,
  });

  async function send(caller: Asking, path: string, body: object | undefined) {
    try {
      const answer = await pool.request({
        path,
        method: body ? "POST" : "GET",
        headers: { ...headersOf(caller), ...(body && { "content-type": "application/json" }) },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(waitMs),
      });
      const isUntimely = UNTIMELY_HEADER in answer.headers;
      return { status: answer.statusCode, isUntimely, body: (await answer.body.json()) as unknown };
    } catch (cause) {
      throw new Unavailable(undefined, undefined, { cause });
    }
  }

  return {
    async ask(caller, path, body) {
      const { isUntimely, ...answer } = await send(caller, path, body);
      if (answer.status === 401) throw isUntimely ? new ClockSkew() : new Unauthenticated();
      return answer;
    },
    async open(caller, path) {
      try {
        const { statusCode, body } = await pool.request({ path, method: "GET", headers: headersOf(caller) });
        return { status: statusCode, body };
      } catch (cause) {
        throw new Unavailable(undefined, undefined, { cause });
      }
    },
    close: () => pool.close(),
  };
}

function headersOf(caller: Asking): Record<string, string> {
  return {
    [ASSERTION_HEADER]: caller.assertion,
    [REQUEST_ID_HEADER]: caller.requestId,
    ...(caller.purpose && { [PURPOSE_HEADER]: caller.purpose }),
    ...(caller.traceparent && { traceparent: caller.traceparent }),
  };
}
