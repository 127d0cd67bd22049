import { FeedOwner, refusalOfService, Unavailable } from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";

const WAIT_MS = 1_500;
const CONNECTIONS = 2;

/** Whose calendar does a token open? Auth alone knows. */
export interface FeedClient {
  /** Null: nobody's. Throws Unavailable, ClockSkew. */
  ownerOf(caller: Caller, token: string): Promise<FeedOwner | null>;
  close(): Promise<void>;
}

/** Asks auth at `url`. Fails closed: anything but a clear answer is Unavailable. */
export function feedClient(url: string, tls: Tls | null): FeedClient {
  const auth = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async ownerOf(caller, token) {
      const { status, body } = await auth.ask(caller, "/internal/calendar-feeds", { token });
      if (status === 404) return null;
      if (status !== 200) throw refusalOfService(body);
      const answer = FeedOwner.safeParse(body);
      if (!answer.success) throw new Unavailable();
      return answer.data;
    },
    close: () => auth.close(),
  };
}
