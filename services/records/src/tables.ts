import type { SealedTable, TokenTable } from "@medvault/keys";
import { breakGlasses } from "./break-glass/break-glass.table.ts";
import { clinicalResources } from "./bundles/clinical-resources.ts";
import { consents } from "./consents/consent.table.ts";
import { erasureRequests } from "./erasure/erasure-request.table.ts";
import { legalHolds } from "./erasure/legal-hold.table.ts";
import { keptResources } from "./fhir/kept-resource.table.ts";
import { pastVersions } from "./medical-records/record.table.ts";
import { patients } from "./patients/patient.table.ts";
import type { Row } from "./resources/patient-owned.ts";
import type { PatientTable } from "./resources/patient-table.ts";
import type { Resource } from "./resources/resource.ts";
import { rowVersions } from "./resources/row-version.table.ts";

/** Every kind of patient-owned resource: `resources.test.ts` holds each to its declaration. */
export const resources: readonly Resource<Row>[] = [patients, ...clinicalResources];

/** Every declared table: a resource's, or one that lies beside it. */
export const declaredTables: readonly PatientTable<Row>[] = [
  ...resources,
  breakGlasses,
  erasureRequests,
  legalHolds,
  consents,
  pastVersions,
  rowVersions,
  keptResources,
];

/**
 * Every declared table of this service: what a field policy may change, and `keys reseal` seals
 * again.
 */
export const sealedTables: readonly SealedTable<never>[] = declaredTables.map(({ table }) => table as never);

/** How events call one row of each. */
export const rowKinds: Readonly<Record<string, string>> = Object.fromEntries(
  declaredTables.map(({ noun, layout }) => [layout.table, noun]),
);

/** Those with blind indexes. */
export const indexedTables: readonly SealedTable<never>[] = declaredTables
  .filter(({ isIndexed }) => isIndexed)
  .map(({ table }) => table as never);

/** By which identifiers an import knows its patient again. */
export const patientIdentifiers: TokenTable = {
  service: "records",
  table: "patient_identifiers",
  owner: "patient_id",
};

/** By which names an import knows what a subject has already. */
export const fhirSources: TokenTable = { service: "records", table: "fhir_sources", owner: "subject_id" };

/** Every table of keyed tokens: what `keys reindex` lays another key over. */
export const tokenTables = [patientIdentifiers, fhirSources] as const;
