import { auditEvent } from "@medvault/contracts";
import type { Audit } from "@medvault/keys";
import { emit } from "@medvault/messaging";

/** Writes `medvault.<service>.keys.<verb>.v1` into the service's outbox: done by the system, with counts and versions. */
export function auditOf(service: string, verb: string, patientIds: readonly string[] = []): Audit {
  return (tx, details) =>
    emit(
      tx,
      service,
      auditEvent(null, {
        type: `medvault.${service}.keys.${verb}.v1`,
        subject: `service-key/${service}`,
        action: `keys:${verb}`,
        reason: "operator",
        patientIds,
        details: { ...details },
      }),
    );
}
