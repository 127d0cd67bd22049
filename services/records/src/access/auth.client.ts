import {
  type AccountRole,
  type Actor,
  ASSERTION_HEADER,
  ClockSkew,
  REQUEST_ID_HEADER,
  refusalOfService,
  Unauthenticated,
  Unavailable,
  UserStanding,
} from "@medvault/contracts";
import { connectorOf, type Tls, UNTIMELY_HEADER } from "@medvault/service-kit";
import { Pool } from "undici";

/** Well within the 3 s in which a person is answered. */
const WAIT_MS = 1_500;
const CONNECTIONS = 4;

/** The caller, with the gateway's assertion to pass on: never another credential. */
export interface Caller extends Actor {
  readonly assertion: string;
}

export const callerOf = (actor: Actor, req: { get(header: string): string | undefined }): Caller => ({
  ...actor,
  assertion: req.get(ASSERTION_HEADER) ?? "",
});

/** Who has an account? Auth alone knows. */
export interface AuthClient {
  /**
   * The role of an active account; null where there is none. Throws Unavailable (auth is away),
   * ClockSkew (its clock is off) or Unauthenticated.
   */
  roleOf(caller: Caller, userId: string): Promise<AccountRole | null>;
  close(): Promise<void>;
}

/** Asks auth at `url`. Fails closed: anything but a clear yes or no is Unavailable. */
export function authClient(url: string, tls: Tls | null): AuthClient {
  const pool = new Pool(url, {
    connections: CONNECTIONS,
    connect: connectorOf(tls, WAIT_MS),
    headersTimeout: WAIT_MS,
    bodyTimeout: WAIT_MS,
    keepAliveTimeout: 10_000,
  });

  async function ask(caller: Caller, userId: string) {
    try {
      const { statusCode, headers, body } = await pool.request({
        method: "GET",
        path: `/internal/users/${encodeURIComponent(userId)}`,
        headers: {
          [ASSERTION_HEADER]: caller.assertion,
          [REQUEST_ID_HEADER]: caller.requestId,
          ...(caller.traceparent && { traceparent: caller.traceparent }),
        },
        signal: AbortSignal.timeout(WAIT_MS),
      });
      const isUntimely = UNTIMELY_HEADER in headers;
      return { status: statusCode, isUntimely, body: (await body.json()) as unknown };
    } catch (cause) {
      throw new Unavailable(undefined, undefined, { cause });
    }
  }

  return {
    async roleOf(caller, userId) {
      const { status, isUntimely, body } = await ask(caller, userId);
      if (status === 404) return null;
      if (status === 401) throw isUntimely ? new ClockSkew() : new Unauthenticated();
      if (status !== 200) throw refusalOfService(body);
      const answer = UserStanding.safeParse(body);
      if (answer.data?.id !== userId) throw new Unavailable();
      return answer.data.role;
    },
    close: () => pool.close(),
  };
}
