import { DelegationView, refusalOfService, Unavailable } from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";

const WAIT_MS = 1_500;
const CONNECTIONS = 2;

/** A job acts in a person's name by what auth gave for it. */
export interface DelegateClient {
  /** A token for this chart alone. Throws Unavailable, ClockSkew, and what auth refuses. */
  delegate(caller: Caller, chart: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** Asks auth at `url`. */
export function delegateClient(url: string, tls: Tls | null): DelegateClient {
  const auth = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async delegate(caller, chart) {
      const { status, body } = await auth.ask(caller, "/internal/delegations", { patientIds: chart });
      if (status !== 201) throw refusalOfService(body);
      const answer = DelegationView.safeParse(body);
      if (!answer.success) throw new Unavailable();
      return answer.data.token;
    },
    close: () => auth.close(),
  };
}
