import type { Audit } from "@medvault/keys/operations";
import { keyEvent } from "@medvault/messaging";
import { inTransaction, type ServiceName } from "@medvault/postgres";
import { type Installation, withPlace } from "./places.ts";

/** Writes `medvault.<service>.keys.<verb>.v1` into the service's outbox: done by an operator, with counts and versions. */
export function auditOf(service: string, verb: string, patientIds: readonly string[] = []): Audit {
  return keyEvent(service, verb, "operator", patientIds);
}

/** The same for what changes nothing, in a transaction of its own. */
export function recordIn(
  installation: Installation,
  service: ServiceName,
  verb: string,
  details: Readonly<Record<string, number>>,
): Promise<void> {
  return withPlace(installation, service, ({ pool }) =>
    inTransaction(pool, (tx) => auditOf(service, verb)(tx, details)),
  );
}
