import type { Readable } from "node:stream";
import { SENSITIVE_FIELDS, Unauthenticated, Unavailable } from "@medvault/contracts";
import { type Caller, type InternalClient, internalClient, type Tls } from "@medvault/service-kit";
import { AccessDenied } from "../files/records.client.ts";

/** The longest pause in an answer: a large chart is gathered before its first byte. */
const WAIT_MS = 60_000;
const CONNECTIONS = 4;

/** What other services put into an archive, read in the name of who asked for it. */
export interface ArchiveSources {
  /**
   * A page of the chart as a FHIR bundle, as `$everything` shows it. Null: not unmasked. Throws
   * AccessDenied, Unauthenticated, Unavailable.
   */
  record(
    caller: Caller,
    patientId: string,
    asked: { unmask: boolean; cursor: string | null },
  ): Promise<Readable | null>;
  /** The chart as a PDF to read; null: not unmasked, or not at all. Throws as record does. */
  summary(caller: Caller, patientId: string, unmask: boolean): Promise<Readable | null>;
  /** Who did what with the chart, as CSV; null: they may not see it. Throws as record does. */
  accessLog(caller: Caller, patientId: string): Promise<Readable | null>;
  close(): Promise<void>;
}

/** Asks records and audit. Fails closed: anything but a clear yes or no is Unavailable. */
export function archiveSources(urls: { records: string; audit: string }, tls: Tls | null): ArchiveSources {
  const records = internalClient(urls.records, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  const audit = internalClient(urls.audit, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });

  /** Null for 403. */
  async function open(service: InternalClient, caller: Caller, path: string, patientId: string) {
    const { status, body } = await service.open(caller, path);
    if (status === 200) return body;
    body.resume();
    if (status === 401) throw new Unauthenticated();
    if (status === 403) return null;
    if (status === 404) throw new AccessDenied(patientId);
    throw new Unavailable();
  }

  return {
    async record(caller, patientId, { unmask, cursor }) {
      const query = new URLSearchParams({
        ...(unmask && { unmask: SENSITIVE_FIELDS.join(",") }),
        ...(cursor !== null && { _cursor: cursor }),
      });
      const path = `/v1/fhir/Patient/${patientId}/$everything${query.size > 0 ? `?${query}` : ""}`;
      const page = await open(records, caller, path, patientId);
      if (page === null && !unmask) throw new AccessDenied(patientId);
      return page;
    },
    summary(caller, patientId, unmask) {
      const query = unmask ? `?unmask=${SENSITIVE_FIELDS.join(",")}` : "";
      return open(records, caller, `/internal/patients/${patientId}/summary${query}`, patientId);
    },
    accessLog: (caller, patientId) =>
      open(audit, caller, `/internal/patients/${patientId}/events`, patientId),
    close: async () => void (await Promise.all([records.close(), audit.close()])),
  };
}
