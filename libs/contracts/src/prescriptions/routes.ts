import { z } from "zod";
import { LimitQuery } from "../http.ts";
import { UnmaskQuery } from "../patients/schemas.ts";
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
  makePdf: {
    method: "POST",
    path: "/v1/prescriptions/{id}/pdf",
    permission: "prescription:read",
    summary:
      "A prescription as a PDF, encrypted (AES-256) under `password`; an Idempotency-Key has no meaning here",
    query: UnmaskQuery,
    request: p.PrescriptionPdfRequest,
    requestOptional: true,
    response: z.string(),
    responseType: "application/pdf",
    also: [
      {
        status: 201,
        summary: "No `password` was given: the PDF, and a random one, which is shown this once",
        response: p.PrescriptionPdf,
      },
    ],
    slow: true,
    errors: ["weak_password", "purpose_required"],
  },
  verify: {
    method: "POST",
    path: "/v1/prescriptions/verify",
    resource: "prescription-document",
    summary: "Whether a printed prescription is real, by the code on it; open to anyone who holds the page",
    request: p.VerifyPrescription,
    example: { code: "7K2QW-0F3NT-XD5VA-H9RZM" },
    response: p.PrescriptionVerification,
    errors: ["not_found"],
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
