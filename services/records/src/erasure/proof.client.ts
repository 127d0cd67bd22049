import { AuditProof, refusalOfService, Unavailable } from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";

/** Audit waits for its next checkpoint itself. */
const WAIT_MS = 8_000;
const CONNECTIONS = 2;

/** What the audit log proves of its own events. */
export interface ProofClient {
  /** Throws Unavailable, and what audit refuses. */
  proofOf(caller: Caller, eventId: string): Promise<AuditProof>;
  close(): Promise<void>;
}

export function proofClient(url: string, tls: Tls | null): ProofClient {
  const audit = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async proofOf(caller, eventId) {
      const { status, body } = await audit.ask(caller, `/v1/audit/events/${eventId}/proof`);
      // The event is on its way: it was in the outbox with the erasure.
      if (status === 404) throw new Unavailable();
      if (status !== 200) throw refusalOfService(body);
      const answer = AuditProof.safeParse(body);
      if (!answer.success) throw new Unavailable();
      return answer.data;
    },
    close: () => audit.close(),
  };
}
