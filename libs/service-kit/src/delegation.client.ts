import { randomUUID } from "node:crypto";
import {
  DELEGATION_PREFIX,
  DelegatedActor,
  DelegationToken,
  Unauthenticated,
  Unavailable,
} from "@medvault/contracts";
import type { Asserted } from "./assertions.ts";
import { type InternalClient, internalClient } from "./internal.client.ts";
import type { Tls } from "./tls.ts";

const WAIT_MS = 1_500;
const CONNECTIONS = 2;

/** In whose name does a job ask? Auth alone knows, and is asked each time (ADR 23). */
export interface Delegations {
  /** Throws Unauthenticated for a token that is none, or none any more; Unavailable. */
  claimsOf(token: string): Promise<Asserted>;
}

/** Whether what came in the place of the gateway's assertion is a delegation. */
export const isDelegation = (token: string): boolean => token.startsWith(DELEGATION_PREFIX);

/** What a delegation opens: the part `export` of a service, as this person, for this one chart. */
export const claimsOfDelegate = (delegate: DelegatedActor): Asserted => ({
  sub: delegate.id,
  role: delegate.role,
  sid: delegate.sessionId,
  scope: delegate.permissions.join(" "),
  auth_time: 0,
  amr: [],
  ip: "127.0.0.1",
  ua: "medvault-job",
  permissions: new Set(delegate.permissions),
  part: "export",
  patientIds: delegate.patientIds,
});

/** Asks auth at `url`. Fails closed: anything but a clear yes or no is Unavailable. */
export function delegationsOf(url: string, tls: Tls | null): Delegations & Pick<InternalClient, "close"> {
  const auth = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async claimsOf(token) {
      if (!DelegationToken.safeParse(token).success) throw new Unauthenticated();
      const job = { assertion: token, requestId: randomUUID(), purpose: null, traceparent: null };
      const { status, body } = await auth.ask(job, "/internal/delegations/current");
      const answer = DelegatedActor.safeParse(body);
      if (status !== 200 || !answer.success) throw new Unavailable();
      return claimsOfDelegate(answer.data);
    },
    close: () => auth.close(),
  };
}
