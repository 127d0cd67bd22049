import { type Actor, NotFound, type SensitiveField } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { type Act, done } from "../events.ts";
import { demandUnmasking } from "../patients/patient.service.ts";
import { findPatient } from "../patients/patient.store.ts";
import type { Resource } from "./bundle.ts";
import { readEverything } from "./export.store.ts";
import type { Original } from "./map.ts";
import { maskResource } from "./mask-resource.ts";
import { claimResource, patientResource, prescriptionResource, recordResource } from "./to-fhir.ts";

export interface FhirBundle {
  resourceType: "Bundle";
  type: "searchset";
  total: number;
  entry: { fullUrl: string; resource: Resource }[];
}

/**
 * All that is kept about a patient as a FHIR R4 Bundle: originals as they came, where nothing was changed here since;
 * else resources made of the fields. Persons' sensitive fields are masked but for those of `unmask`.
 * Throws NotFound, and as readPatient does.
 */
export async function exportPatient(
  context: Context,
  actor: Actor,
  id: string,
  unmask: readonly SensitiveField[],
): Promise<FhirBundle> {
  const { patient, everything } = await inTransaction(context.pool, async (tx) => {
    const found = await findPatient(tx, context, actor, "fhir:export", id);
    if (!found) throw new NotFound();
    return { patient: found, everything: await readEverything(tx, context, actor, id) };
  });
  const act: Act = {
    noun: "fhir",
    verb: "exported",
    permission: "fhir:export",
    subject: `patient/${id}`,
    patientIds: [id],
  };
  const events = [];
  if (unmask.length > 0) {
    await demandUnmasking(context, actor, id);
    events.push(
      done(actor, { ...act, noun: "patient", verb: "unmasked", permission: "phi:unmask", fields: unmask }),
    );
  }

  const first = entryOf(patient.source, id, () => patientResource(patient));
  const subject = { reference: first.fullUrl };
  const { records, prescriptions, claims, kept } = everything;
  const entry = [
    first,
    ...records.map((r) => entryOf(r.source, r.id, () => recordResource(r, subject))),
    ...prescriptions.map((p) => entryOf(p.source, p.id, () => prescriptionResource(p, subject))),
    ...claims.map((c) => entryOf(c.source, c.id, () => claimResource(c, subject))),
    ...kept.map((k) => entryOf(k, k.id, () => k.resource)),
  ].map(({ fullUrl, resource }) => ({ fullUrl, resource: maskResource(resource, unmask) }));
  await context.appender.append(done(actor, { ...act, details: { count: entry.length } }), ...events);
  return { resourceType: "Bundle", type: "searchset", total: entry.length, entry };
}

function entryOf(original: Original | null, id: string, make: () => Resource) {
  return { fullUrl: original?.fullUrl ?? `urn:uuid:${id}`, resource: original?.resource ?? make() };
}
