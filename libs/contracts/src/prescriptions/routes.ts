import { LimitQuery } from "../http.ts";
import { defineRoutes, REPLAY, SEARCH } from "../route.ts";
import * as p from "./schemas.ts";

export const prescriptionApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/prescriptions",
    permission: "prescription:write",
    summary: "Prescribe",
    request: p.NewPrescription,
    status: 201,
    response: p.PrescriptionView,
    etag: true,
    errors: ["not_found", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/prescriptions",
    permission: "prescription:read",
    summary: "Prescriptions by start date",
    query: p.PrescriptionListQuery,
    response: p.PrescriptionPage,
    errors: ["not_found"],
  },
  search: {
    method: "POST",
    path: "/v1/prescriptions/search",
    permission: "prescription:search",
    summary: "Find by any parts of the patient's name, the medication and its code",
    request: p.PrescriptionSearch,
    example: { q: "ada metf", from: "2026-01-01" },
    response: p.PrescriptionPage,
    errors: ["not_found", ...SEARCH],
  },
  read: {
    method: "GET",
    path: "/v1/prescriptions/{id}",
    permission: "prescription:read",
    summary: "One prescription",
    response: p.PrescriptionView,
    etag: true,
  },
  listVersions: {
    method: "GET",
    path: "/v1/prescriptions/{id}/versions",
    permission: "prescription:read",
    summary: "Every version, and who wrote it",
    query: LimitQuery,
    response: p.PrescriptionVersions,
  },
  replace: {
    method: "PUT",
    path: "/v1/prescriptions/{id}",
    permission: "prescription:write",
    summary: "Replace",
    request: p.ReplacePrescription,
    response: p.PrescriptionView,
    etag: true,
    errors: ["version_conflict", ...REPLAY],
  },
  remove: {
    method: "DELETE",
    path: "/v1/prescriptions/{id}",
    permission: "prescription:delete",
    summary: "Delete",
    errors: ["version_conflict"],
  },
});
