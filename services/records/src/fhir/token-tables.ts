import type { TokenTable } from "@medvault/keys";

/** By which identifiers an import knows its patient again. */
export const patientIdentifiers: TokenTable = {
  service: "records",
  table: "patient_identifiers",
  owner: "patient_id",
};

/** By which names an import knows what a subject has already. */
export const fhirSources: TokenTable = { service: "records", table: "fhir_sources", owner: "subject_id" };

/** Every table of keyed tokens: what `npm run keys -- reindex` lays another key over. */
export const tokenTables = [patientIdentifiers, fhirSources] as const;
