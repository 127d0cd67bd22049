import {
  AccessView,
  type Actor,
  ASSERTION_HEADER,
  ClockSkew,
  NotFound,
  PURPOSE_HEADER,
  REQUEST_ID_HEADER,
  refusalOfService,
  Unauthenticated,
  Unavailable,
} from "@medvault/contracts";
import { connectorOf, type Tls, UNTIMELY_HEADER } from "@medvault/service-kit";
import { Pool } from "undici";

/** A person is answered within 3 s, whatever the state of records, and asking is not all. */
const WAIT_MS = 1_500;
const CONNECTIONS = 16;

/** The caller, with the gateway's assertion to pass on: never another credential. */
export interface Caller extends Actor {
  readonly assertion: string;
}

interface AccessQuestion {
  patientId: string;
  action: "read" | "write";
  /** Also require that this prescription is the patient's. */
  prescriptionId?: string;
}

export interface Access {
  reason: string;
  vouched: boolean;
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

interface Asked {
  status: number;
  isUntimely: boolean;
  body: unknown;
}

/** Asks records at `url`. Fails closed: anything but a clear yes or no is `Unavailable`. */
export function recordsClient(url: string, tls: Tls | null): RecordsClient {
  const pool = new Pool(url, {
    connections: CONNECTIONS,
    connect: connectorOf(tls, WAIT_MS),
    headersTimeout: WAIT_MS,
    bodyTimeout: WAIT_MS,
    keepAliveTimeout: 10_000,
  });

  async function ask(caller: Caller, question: AccessQuestion): Promise<Asked> {
    const query = new URLSearchParams({ action: question.action });
    if (question.prescriptionId) query.set("prescriptionId", question.prescriptionId);
    try {
      const answer = await pool.request({
        method: "GET",
        path: `/internal/patients/${encodeURIComponent(question.patientId)}/access?${query}`,
        headers: headersOf(caller),
        signal: AbortSignal.timeout(WAIT_MS),
      });
      const isUntimely = UNTIMELY_HEADER in answer.headers;
      return { status: answer.statusCode, isUntimely, body: await answer.body.json() };
    } catch (cause) {
      throw new Unavailable(undefined, undefined, { cause });
    }
  }

  return {
    async requireAccess(caller, question) {
      const { status, isUntimely, body } = await ask(caller, question);
      if (status === 403 || status === 404) throw new AccessDenied(question.patientId);
      if (status === 401) throw isUntimely ? new ClockSkew() : new Unauthenticated();
      if (status !== 200) throw refusalOfService(body);
      const answer = AccessView.safeParse(body);
      if (answer.data?.patientId !== question.patientId) throw new Unavailable();
      return { reason: answer.data.reason, vouched: answer.data.vouched };
    },
    close: () => pool.close(),
  };
}

function headersOf(caller: Caller): Record<string, string> {
  return {
    [ASSERTION_HEADER]: caller.assertion,
    [REQUEST_ID_HEADER]: caller.requestId,
    ...(caller.purpose && { [PURPOSE_HEADER]: caller.purpose }),
    ...(caller.traceparent && { traceparent: caller.traceparent }),
  };
}
