import { defineRoutes, REPLAY } from "../route.ts";
import { EverythingQuery, FhirBundle, FhirBundleAnswer, FhirImportView, FhirPage } from "./schemas.ts";

export const fhirApi = defineRoutes({
  import: {
    method: "POST",
    path: "/v1/fhir",
    permission: "fhir:import",
    slow: true,
    summary: "Store a FHIR R4 bundle, whole or not at all",
    request: FhirBundle,
    response: FhirImportView,
    fhirResponse: FhirBundleAnswer,
    errors: [
      "too_large",
      "multiple_matches",
      "resource_elsewhere",
      "not_deleted",
      "too_many_versions",
      "version_conflict",
      "not_found",
      "part_closed",
      ...REPLAY,
    ],
  },
  export: {
    method: "GET",
    path: "/v1/fhir/Patient/{id}/$everything",
    permission: "fhir:export",
    part: "export",
    slow: true,
    resource: "patient",
    summary: "The patient as a FHIR R4 Bundle, in pages",
    query: EverythingQuery,
    response: FhirPage,
    responseType: "application/fhir+json",
    errors: ["not_acceptable", "purpose_required"],
  },
});
