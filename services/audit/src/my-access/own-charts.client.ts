import { KnownPeople, Unavailable } from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";

const WAIT_MS = 1_500;
const CONNECTIONS = 4;

/** Which charts are the caller's own? Records alone knows, a merged one by all of its ids. */
export interface OwnCharts {
  /** None where they have no chart. Throws Unavailable while records is away. */
  of(caller: Caller): Promise<string[]>;
  close(): Promise<void>;
}

export function ownChartsClient(url: string, tls: Tls | null): OwnCharts {
  const records = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async of(caller) {
      const { status, body } = await records.ask(caller, "/internal/known-people");
      if (status === 403) return [];
      const answer = KnownPeople.safeParse(body);
      if (status !== 200 || !answer.success) throw new Unavailable();
      return answer.data.patientIds;
    },
    close: () => records.close(),
  };
}
