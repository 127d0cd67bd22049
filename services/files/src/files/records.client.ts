import { AccessView, NotFound, refusalOfService, Unavailable } from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";

/** A person is answered within 3 s, whatever the state of records, and asking is not all. */
const WAIT_MS = 1_500;
const CONNECTIONS = 16;

interface AccessQuestion {
  patientId: string;
  action: "read" | "write" | "delete";
  /** Also require that this prescription is the patient's. */
  prescriptionId?: string;
}

export interface Access {
  reason: string;
  vouched: boolean;
  /** The ids that the patient's chart is kept under, the surviving one first. */
  chart: [survivor: string, ...mergedFrom: string[]];
  /** What of it the patient closed to the caller: `<type>/<id>`, or `<type>/*`. */
  closed: readonly string[];
}

/** May this caller touch this patient? Records alone decides (ARCHITECTURE.md, "Access"). */
export interface RecordsClient {
  /**
   * Resolves with the scope that allowed it, for the event, and whether staff vouches for the
   * patient. Throws `AccessDenied`, `Unavailable`
   * (records is away), `ClockSkew` (its clock is off, or the upload outlived the assertion) or
   * `Unauthenticated`.
   */
  requireAccess(caller: Caller, question: AccessQuestion): Promise<Access>;
  close(): Promise<void>;
}

/** 404, and nothing more to the caller: what exists and what does not look the same. */
export class AccessDenied extends NotFound {
  /** Whose data, if the caller named them or a file led to them; for the event alone. */
  readonly patientId: string | null;
  constructor(patientId: string | null) {
    super();
    this.patientId = patientId;
  }
}

/** Asks records at `url`. Fails closed: anything but a clear yes or no is `Unavailable`. */
export function recordsClient(url: string, tls: Tls | null): RecordsClient {
  const records = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async requireAccess(caller, { patientId, action, prescriptionId }) {
      const query = new URLSearchParams({ action, ...(prescriptionId && { prescriptionId }) });
      const path = `/internal/patients/${encodeURIComponent(patientId)}/access?${query}`;
      const { status, body } = await records.ask(caller, path);
      if (status === 403 || status === 404) throw new AccessDenied(patientId);
      if (status !== 200) throw refusalOfService(body);
      const answer = AccessView.safeParse(body);
      if (answer.data?.patientId !== patientId) throw new Unavailable();
      const { reason, vouched, chart, closed } = answer.data;
      const [survivor = patientId, ...mergedFrom] = chart;
      return { reason, vouched, chart: [survivor, ...mergedFrom], closed };
    },
    close: () => records.close(),
  };
}
