import { UnmaskQuery } from "../patients/schemas.ts";
import { defineRoutes, REPLAY } from "../route.ts";
import { FhirBundle, FhirImportView } from "./schemas.ts";

export const fhirApi = defineRoutes({
  import: {
    method: "POST",
    path: "/v1/fhir",
    permission: "fhir:import",
    slow: true,
    summary: "Store a FHIR R4 bundle, whole or not at all",
    request: FhirBundle,
    response: FhirImportView,
    errors: ["too_large", "patient_ambiguous", ...REPLAY],
  },
  export: {
    method: "GET",
    path: "/v1/fhir/Patient/{id}/$everything",
    permission: "fhir:export",
    slow: true,
    resource: "patient",
    summary: "The patient as a FHIR R4 Bundle",
    query: UnmaskQuery,
    response: FhirBundle,
    responseType: "application/fhir+json",
    errors: ["purpose_required"],
  },
});
