import { parseBundle } from "../src/bundles/bundle.ts";
import { planImport } from "../src/bundles/plan.ts";
import { claims } from "../src/claims/claim.table.ts";
import type { MappedClaim } from "../src/fhir/map-claim.ts";
import type { MappedPrescription } from "../src/fhir/map-prescription.ts";
import type { MappedRecord } from "../src/fhir/map-record.ts";
import { medicalRecords } from "../src/medical-records/record.table.ts";
import { prescriptions } from "../src/prescriptions/prescription.table.ts";

/** What becomes of a bundle, by what it becomes. */
export async function plan(body: unknown) {
  const { clinical, ...made } = await planImport(parseBundle(body));
  const of = <Mapped>(resource: object) =>
    (clinical.get(resource as never) ?? []) as unknown as { mapped: Mapped }[];
  return {
    ...made,
    patient: made.subjects[0] ?? null,
    records: of<MappedRecord>(medicalRecords),
    prescriptions: of<MappedPrescription>(prescriptions),
    claims: of<MappedClaim>(claims),
  };
}

export const bundleOf = (...resources: unknown[]) => ({
  resourceType: "Bundle",
  type: "transaction",
  entry: resources.map((resource) => ({ resource, request: { method: "POST", url: "x" } })),
});

export const patient = {
  resourceType: "Patient",
  id: "p",
  name: [{ family: "Marsh", given: ["Ada"] }],
};

/** A reference to {@link patient}. */
export const ours = { reference: "Patient/p" };
