import { type KeptResource, keptResources } from "../fhir/kept-resource.table.ts";
import type { FhirResource, Original, Reference } from "../fhir/resource.ts";
import { type DamagedRow, type Found, isDamaged } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import type { Resource } from "../resources/resource.ts";

/** A resource with the full URL by which others in its bundle refer to it. */
export interface Entry {
  fullUrl: string;
  resource: FhirResource;
}

/** A row as it came; else made of its fields. `subject` refers to the patient whom it is about. */
export function entryOf(table: PatientTable<Row>, row: Found<Row>, subject: Reference): Entry {
  if (isDamaged(row)) return damagedEntry(row, table.noun);
  if (table.noun === keptResources.noun) {
    const { id, fullUrl, resource } = row as KeptResource;
    return { fullUrl: fullUrl ?? `urn:uuid:${id}`, resource };
  }
  const { source } = row as Row & { source: Original | null };
  const { fhir } = table as Resource<Row>;
  return {
    fullUrl: source?.fullUrl ?? `urn:uuid:${row.id}`,
    resource: source?.resource ?? fhir.write(row, subject),
  };
}

/** Stands in the place of what does not open: a reader knows that something is missing. */
function damagedEntry({ id }: DamagedRow, noun: string): Entry {
  const diagnostics = `The ${noun} ${id} is damaged and does not open.`;
  const issue = [{ severity: "error", code: "exception", diagnostics }];
  return { fullUrl: `urn:uuid:${id}`, resource: { resourceType: "OperationOutcome", id, issue } };
}
