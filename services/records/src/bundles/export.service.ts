import { type Actor, NotFound, type SensitiveField } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Answer } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { type KeptResource, keptResources } from "../fhir/kept-resource.table.ts";
import { maskLink, maskResource, masksOf } from "../fhir/mask-resource.ts";
import type { FhirResource, Original } from "../fhir/resource.ts";
import { unmaskAct } from "../patients/patient.service.ts";
import { patients } from "../patients/patient.table.ts";
import { type DamagedRow, type Found, isDamaged } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import { type Act, damaged, done } from "../resources/resource.events.ts";
import { find } from "../resources/resource.store.ts";
import type { Resource } from "../resources/resource.ts";
import { mapYielding } from "./batch.ts";
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
 * changed here since; else resources made of the fields. Persons' sensitive fields are masked,
 * where they stand and wherever else their values do, but for those of `unmask`. Throws NotFound,
 * and as readPatient does.
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
    const clinical: { row: Found<Exported>; resource: Resource<Exported> }[] = [];
    for (const resource of clinicalResources) {
      const exported = resource as unknown as Resource<Exported>;
      const rows = await readAll(tx, context, actor, exported, id);
      clinical.push(...rows.map((row) => ({ row, resource: exported })));
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
  const first = entryOf(patient, patients, (whole) => patients.fhir.write(whole, itself));
  const subject = { reference: first.fullUrl };
  const clear = [
    first,
    ...clinical.map(({ row, resource }) =>
      entryOf(row, resource, (whole) => resource.fhir.write(whole, subject)),
    ),
    ...kept.map((one) => (isDamaged(one) ? damagedEntry(one, keptResources.noun) : keptEntry(one))),
  ];
  const masks = masksOf(id, clear, unmask);
  const entry = await mapYielding(clear, ({ fullUrl, resource }) => ({
    fullUrl: maskLink(fullUrl, masks),
    resource: maskResource(resource, masks),
  }));
  const exported = { ...act, details: { count: entry.length } };
  const acts = [exported, ...unmasked].map((one) => done(actor, one));
  const lost = [
    { row: patient, noun: patients.noun },
    ...clinical.map(({ row, resource }) => ({ row, noun: resource.noun })),
    ...kept.map((row) => ({ row, noun: keptResources.noun })),
  ].flatMap(({ row, noun }) => (isDamaged(row) ? [damaged(actor, noun, "fhir:export", row)] : []));
  await context.appender.append(...acts, ...lost);
  return { body: { resourceType: "Bundle", type: "searchset", total: entry.length, entry } };
}

type Exported = Row & { source: Original | null };

function entryOf<T extends Exported>(
  row: Found<T>,
  { noun }: Pick<Resource<T>, "noun">,
  make: (whole: T) => FhirResource,
) {
  if (isDamaged(row)) return damagedEntry(row, noun);
  const { source, id } = row;
  return { fullUrl: source?.fullUrl ?? `urn:uuid:${id}`, resource: source?.resource ?? make(row) };
}

function keptEntry({ id, fullUrl, resource }: KeptResource) {
  return { fullUrl: fullUrl ?? `urn:uuid:${id}`, resource };
}

/** Stands in the place of what does not open: a reader knows that something is missing. */
function damagedEntry({ id }: DamagedRow, noun: string) {
  const diagnostics = `The ${noun} ${id} is damaged and does not open.`;
  const issue = [{ severity: "error", code: "exception", diagnostics }];
  return { fullUrl: `urn:uuid:${id}`, resource: { resourceType: "OperationOutcome", id, issue } };
}
