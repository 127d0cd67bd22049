import type { z } from "zod";
import type { RouteDoc } from "./openapi.ts";
import * as p from "./patients.ts";
import type { ResourceAction } from "./permissions.ts";
import * as r from "./records.ts";

type Extras = Pick<
  RouteDoc,
  "request" | "requestOptional" | "example" | "query" | "requestType" | "responseType" | "errors"
>;

/** Single resources: their answers carry an ETag. */
const RESOURCES = new Set<z.ZodType | null>([
  p.PatientView,
  r.MedicalRecordView,
  r.PrescriptionView,
  r.ClaimView,
]);

function route(
  method: RouteDoc["method"],
  path: string,
  permission: ResourceAction,
  summary: string,
  status: number,
  response: z.ZodType | null,
  extras: Extras = {},
): RouteDoc {
  return { method, path, permission, summary, status, response, etag: RESOURCES.has(response), ...extras };
}

const UNKNOWN = ["not_found"];
const CHANGED = ["not_found", "version_conflict"];
const REPLAY = ["idempotency_key_reused", "request_in_progress"];

const patients: RouteDoc[] = [
  route("post", "/v1/patients", "patient:write", "Make a patient record", 201, p.PatientView, {
    request: p.NewPatient,
    example: { givenName: "Ada", familyName: "Lovelace", birthDate: "1985-12-10", sex: "female" },
    errors: ["user_already_linked", ...REPLAY],
  }),
  route(
    "get",
    "/v1/patients",
    "patient:read",
    "Patients the caller may see, newest first",
    200,
    p.PatientPage,
    {
      query: p.PatientListQuery,
    },
  ),
  route(
    "post",
    "/v1/patients/search",
    "patient:search",
    "Find patients by name, id or birth",
    200,
    p.PatientPage,
    {
      request: p.PatientSearch,
      example: { q: "lovel" },
    },
  ),
  route("get", "/v1/patients/me", "patient:read", "The caller's own patient record", 200, p.PatientView, {
    query: p.UnmaskQuery,
    errors: UNKNOWN,
  }),
  route("get", "/v1/patients/{id}", "patient:read", "One patient, masked", 200, p.PatientView, {
    query: p.UnmaskQuery,
    errors: ["purpose_required", ...UNKNOWN],
  }),
  route("patch", "/v1/patients/{id}", "patient:write", "Change a patient", 200, p.PatientView, {
    request: p.PatientPatch,
    errors: ["user_already_linked", ...CHANGED],
  }),
  route(
    "get",
    "/v1/patients/{id}/care-team",
    "careteam:read",
    "Who treats this patient",
    200,
    p.CareTeamView,
    {
      errors: UNKNOWN,
    },
  ),
  route(
    "get",
    "/v1/patients/{id}/care-team/{userId}",
    "careteam:read",
    "One member of the care team",
    200,
    p.CareTeamMember,
    { errors: UNKNOWN },
  ),
  route(
    "put",
    "/v1/patients/{id}/care-team/{userId}",
    "careteam:write",
    "Put someone on the care team",
    200,
    p.CareTeamMember,
    { errors: [...UNKNOWN, ...REPLAY] },
  ),
  route(
    "delete",
    "/v1/patients/{id}/care-team/{userId}",
    "careteam:write",
    "Take someone off the care team",
    204,
    null,
    { errors: UNKNOWN },
  ),
];

const records: RouteDoc[] = [
  route(
    "post",
    "/v1/patients/{id}/records",
    "record:write",
    "Add a medical record",
    201,
    r.MedicalRecordView,
    {
      request: r.NewMedicalRecord,
      example: {
        type: "note",
        title: "Follow-up",
        body: "BP <120, no complaints.",
        occurredAt: "2026-11-20T09:30:00Z",
      },
      errors: [...UNKNOWN, ...REPLAY],
    },
  ),
  route(
    "get",
    "/v1/patients/{id}/records",
    "record:read",
    "A patient's records, latest first",
    200,
    r.MedicalRecordPage,
    {
      query: r.MedicalRecordListQuery,
      errors: UNKNOWN,
    },
  ),
  route("get", "/v1/records/{id}", "record:read", "One medical record", 200, r.MedicalRecordView, {
    errors: UNKNOWN,
  }),
  route("put", "/v1/records/{id}", "record:write", "A new version of a record", 200, r.MedicalRecordView, {
    request: r.NewMedicalRecord,
    errors: ["too_many_versions", ...CHANGED, ...REPLAY],
  }),
  route("delete", "/v1/records/{id}", "record:delete", "Hide a record; it is kept", 204, null, {
    errors: CHANGED,
  }),
  route("get", "/v1/records/{id}/versions", "record:read", "Every version", 200, r.MedicalRecordVersions, {
    errors: UNKNOWN,
  }),
  route(
    "get",
    "/v1/records/{id}/integrity",
    "record:read",
    "Hash and signature of a record",
    200,
    r.IntegrityView,
    {
      errors: UNKNOWN,
    },
  ),
];

const prescriptions: RouteDoc[] = [
  route("post", "/v1/prescriptions", "prescription:write", "Prescribe", 201, r.PrescriptionView, {
    request: r.NewPrescription,
    errors: [...UNKNOWN, ...REPLAY],
  }),
  route(
    "get",
    "/v1/prescriptions",
    "prescription:read",
    "Prescriptions by start date",
    200,
    r.PrescriptionPage,
    {
      query: r.PrescriptionListQuery,
      errors: UNKNOWN,
    },
  ),
  route(
    "post",
    "/v1/prescriptions/search",
    "prescription:search",
    "Find by part of a name or medication",
    200,
    r.PrescriptionPage,
    { request: r.PrescriptionSearch, example: { q: "metf", from: "2026-01-01" }, errors: UNKNOWN },
  ),
  route("get", "/v1/prescriptions/{id}", "prescription:read", "One prescription", 200, r.PrescriptionView, {
    errors: UNKNOWN,
  }),
  route("put", "/v1/prescriptions/{id}", "prescription:write", "Replace", 200, r.PrescriptionView, {
    request: r.ReplacePrescription,
    errors: [...CHANGED, ...REPLAY],
  }),
  route("delete", "/v1/prescriptions/{id}", "prescription:delete", "Delete", 204, null, { errors: CHANGED }),
];

const step = (name: string, permission: ResourceAction, summary: string): RouteDoc =>
  route("post", `/v1/claims/{id}/${name}`, permission, summary, 200, r.ClaimView, {
    request: r.ClaimStep,
    requestOptional: true,
    errors: ["invalid_transition", ...CHANGED, ...REPLAY],
  });

const claims: RouteDoc[] = [
  route("post", "/v1/claims", "claim:write", "Draft a claim", 201, r.ClaimView, {
    request: r.NewClaim,
    errors: [...UNKNOWN, ...REPLAY],
  }),
  route("get", "/v1/claims", "claim:read", "Claims, last changed first", 200, r.ClaimPage, {
    query: r.ClaimListQuery,
    errors: UNKNOWN,
  }),
  route("get", "/v1/claims/{id}", "claim:read", "One claim", 200, r.ClaimView, { errors: UNKNOWN }),
  route("patch", "/v1/claims/{id}", "claim:write", "Change a draft", 200, r.ClaimView, {
    request: r.ClaimPatch,
    errors: ["invalid_transition", ...CHANGED],
  }),
  step("submit", "claim:write", "Hand a draft in"),
  step("approve", "claim:decide", "Approve a submitted claim"),
  step("reject", "claim:decide", "Reject a submitted claim"),
  step("pay", "claim:decide", "Mark an approved claim as paid"),
];

const fhir: RouteDoc[] = [
  route(
    "post",
    "/v1/fhir",
    "fhir:import",
    "Store a FHIR R4 bundle, whole or not at all",
    200,
    r.FhirImportView,
    {
      request: r.FhirBundle,
      errors: ["too_large", "patient_ambiguous", ...REPLAY],
    },
  ),
  route(
    "get",
    "/v1/fhir/Patient/{id}/$everything",
    "fhir:export",
    "The patient as a FHIR R4 Bundle",
    200,
    r.FhirBundle,
    {
      query: p.UnmaskQuery,
      responseType: "application/fhir+json",
      errors: UNKNOWN,
    },
  ),
];

export const recordsRoutes: RouteDoc[] = [...patients, ...records, ...prescriptions, ...claims, ...fhir];
