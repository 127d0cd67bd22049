import { z } from "zod";
import { defineRoutes, REPLAY } from "../route.ts";
import * as e from "./schemas.ts";

/** Of files: a patient's whole record as one encrypted archive, to take away. */
export const exportApi = defineRoutes({
  begin: {
    method: "POST",
    path: "/v1/patients/{id}/export",
    permission: "fhir:export",
    stepUp: true,
    resource: "patient",
    summary:
      "Have a patient's whole record made into one encrypted archive (ZIP, AES-256), by a job; staff says why (X-Purpose)",
    status: 202,
    response: e.BegunExport,
    errors: ["export_running", "export_limit", "purpose_required", ...REPLAY],
  },
  read: {
    method: "GET",
    path: "/v1/exports/{id}",
    permission: "fhir:export",
    resource: "export",
    summary: "How far an export of the caller's own is",
    response: e.ExportView,
  },
  content: {
    method: "GET",
    path: "/v1/exports/{id}/content",
    permission: "fhir:export",
    resource: "export",
    summary:
      "The archive, once: a download that breaks off may be tried again, three times and within 15 minutes in all",
    response: z.string(),
    responseType: "application/zip",
    errors: [
      "export_not_ready",
      "export_gone",
      "export_in_download",
      "content_damaged",
      "range_not_satisfiable",
    ],
  },
  remove: {
    method: "DELETE",
    path: "/v1/exports/{id}",
    permission: "fhir:export",
    resource: "export",
    summary: "Cancel an export, or destroy its archive",
  },
});
