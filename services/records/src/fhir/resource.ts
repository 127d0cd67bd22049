/** A FHIR R4 resource, unread. */
export type FhirResource = { resourceType: string; [field: string]: unknown };

/**
 * A resource as it came, with the full URL that its bundle gave it, and with what was changed of it
 * here since.
 */
export interface Original {
  fullUrl: string | null;
  resource: FhirResource;
}

export type Reference = { reference: string };

/** What a reference inside one bundle points at; what points elsewhere stays as it is. */
export interface References {
  resolve(reference: string | undefined, from?: FhirResource): FhirResource | null;
}
