import { type Actor, NotFound, type SensitiveField } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Answer } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { maskResource } from "../fhir/mask-resource.ts";
import type { FhirResource, Original } from "../fhir/resource.ts";
import { unmaskAct } from "../patients/patient.service.ts";
import { patients } from "../patients/patient.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import { type Act, done } from "../resources/resource.events.ts";
import { find } from "../resources/resource.store.ts";
import type { Resource } from "../resources/resource.ts";
import { clinicalResources } from "./clinical-resources.ts";
import { readAll } from "./export.store.ts";

type FhirBundle = {
  resourceType: "Bundle";
  type: "searchset";
  total: number;
  entry: { fullUrl: string; resource: FhirResource }[];
};

/**
 * All that is kept about a patient as a FHIR R4 Bundle: originals as they came, where nothing was
 * changed here since; else resources made of the fields. Persons' sensitive fields are masked but
 * for those of `unmask`. Throws NotFound, and as readPatient does.
 */
export async function exportPatient(
  context: Context,
  actor: Actor,
  id: string,
  unmask: readonly SensitiveField[] = [],
): Promise<Answer<FhirBundle>> {
  const { patient, clinical, kept } = await inTransaction(context.pool, async (tx) => {
    const found = await find(tx, context, actor, "fhir:export", patients, id);
    if (!found) throw new NotFound();
    const clinical: { row: Exported; resource: Resource<Row> }[] = [];
    for (const resource of clinicalResources) {
      const rows = (await readAll(tx, context, actor, resource, id)) as Exported[];
      clinical.push(...rows.map((row) => ({ row, resource })));
    }
    return { patient: found, clinical, kept: await readAll(tx, context, actor, keptResources, id) };
  });
  const act: Act = {
    noun: "fhir",
    verb: "exported",
    permission: "fhir:export",
    subject: `patient/${id}`,
    patientIds: [id],
  };
  const unmasked = await unmaskAct(context, actor, id, unmask);
  const itself = { reference: `urn:uuid:${id}` };
  const first = entryOf(patient.source, id, () => patients.fhir.write(patient, itself));
  const subject = { reference: first.fullUrl };
  const entry = [
    first,
    ...clinical.map(({ row, resource }) =>
      entryOf(row.source, row.id, () => resource.fhir.write(row, subject)),
    ),
    ...kept.map((one) => entryOf(one, one.id, () => one.resource)),
  ].map(({ fullUrl, resource }) => ({ fullUrl, resource: maskResource(resource, unmask) }));
  const exported = { ...act, details: { count: entry.length } };
  await context.appender.append(...[exported, ...unmasked].map((one) => done(actor, one)));
  return { body: { resourceType: "Bundle", type: "searchset", total: entry.length, entry } };
}

type Exported = Row & { source: Original | null };

function entryOf(original: Original | null, id: string, make: () => FhirResource) {
  return { fullUrl: original?.fullUrl ?? `urn:uuid:${id}`, resource: original?.resource ?? make() };
}
