import type { PatientOwned } from "../resources/patient-owned.ts";
import { laidInto } from "./lay.ts";
import type { FhirResource, Original, Reference, References } from "./resource.ts";
import { written } from "./written.ts";

/** A FHIR resource that was read: what it says in our fields, and the row that this makes. */
export interface Read<T, Mapped = object> {
  readonly mapped: Mapped;
  make(made: PatientOwned, by: string): T;
}

/** How a resource of ours comes from FHIR R4 and goes there. */
export interface FhirPair<T> {
  /**
   * Null when the FHIR resource has no room as one of ours. Throws ZodError on a field of the wrong
   * shape.
   */
  read(resource: FhirResource, references: References): Read<T> | null;
  /** What was written here, and so has no original. `subject` refers to the patient. */
  write(value: T, subject: Reference): FhirResource;
  /**
   * The original of a row that was changed here: what differs between `former` and `next` is said
   * where it was shown, all else is as it was. The same resource where nothing differs that FHIR
   * says; one of another type where the row is another thing now.
   */
  lay(original: Original, former: T, next: T): Original;
}

/**
 * Joins the two ways: `read` knows what FHIR says, `make` what a row of ours needs besides; `by` is
 * who imports.
 */
export function fhirPair<T, Mapped extends object>(pair: {
  read: (resource: FhirResource, references: References) => Mapped | null;
  make: (mapped: Mapped, made: PatientOwned, by: string) => T;
  write: (value: T, subject: Reference) => FhirResource;
  lay: (original: FhirResource, former: T, next: T) => FhirResource;
}): FhirPair<T> {
  return {
    read(resource, references) {
      const mapped = pair.read(resource, references);
      return mapped && { mapped, make: (made, by) => pair.make(mapped, made, by) };
    },
    write: (value, subject) => written(pair.write(value, subject)),
    lay: (original, former, next) => laidInto(original, (resource) => pair.lay(resource, former, next)),
  };
}
