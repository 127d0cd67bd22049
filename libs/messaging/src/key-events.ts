import { auditEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { emit } from "./emit.ts";

const MAX_PATIENTS = 1_000;

/**
 * What writes `medvault.<service>.keys.<verb>.v1` into the service's outbox, in the transaction of
 * what happened to its keys: done by `by` ("operator" by command, "schedule" by the service
 * itself), with counts, versions and codes. Throws RangeError for more than 1,000 patients.
 */
export function keyEvent(
  service: string,
  verb: string,
  by: "operator" | "schedule",
  patientIds: readonly string[] = [],
): (tx: Tx, details: Readonly<Record<string, number | string>>) => Promise<void> {
  if (patientIds.length > MAX_PATIENTS) throw new RangeError("an event names at most 1000 patients");
  return async (tx, details) => {
    await emit(
      tx,
      service,
      auditEvent(null, {
        type: `medvault.${service}.keys.${verb}.v1`,
        subject: `service-key/${service}`,
        action: `keys:${verb}`,
        reason: by,
        patientIds,
        details: { ...details },
      }),
    );
  };
}
