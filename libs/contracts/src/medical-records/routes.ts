import { LimitQuery } from "../http.ts";
import { defineRoutes, REPLAY } from "../route.ts";
import * as r from "./schemas.ts";

export const medicalRecordApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/patients/{id}/records",
    permission: "record:write",
    resource: "patient",
    summary: "Add a medical record",
    request: r.NewMedicalRecord,
    example: {
      type: "note",
      title: "Follow-up",
      body: "BP <120, no complaints.",
      occurredAt: "2026-11-20T09:30:00Z",
    },
    status: 201,
    response: r.MedicalRecordView,
    etag: true,
    errors: [...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/patients/{id}/records",
    permission: "record:read",
    resource: "patient",
    summary: "A patient's records, latest first",
    query: r.MedicalRecordListQuery,
    response: r.MedicalRecordPage,
  },
  read: {
    method: "GET",
    path: "/v1/records/{id}",
    permission: "record:read",
    summary: "One medical record",
    response: r.MedicalRecordView,
    etag: true,
  },
  replace: {
    method: "PUT",
    path: "/v1/records/{id}",
    permission: "record:write",
    summary: "A new version of a record",
    request: r.NewMedicalRecord,
    response: r.MedicalRecordView,
    etag: true,
    errors: ["too_many_versions", "version_conflict", ...REPLAY],
  },
  hide: {
    method: "DELETE",
    path: "/v1/records/{id}",
    permission: "record:delete",
    summary: "Hide a record; it is kept",
    errors: ["version_conflict"],
  },
  listVersions: {
    method: "GET",
    path: "/v1/records/{id}/versions",
    permission: "record:read",
    summary: "Every version",
    query: LimitQuery,
    response: r.MedicalRecordVersions,
  },
  readIntegrity: {
    method: "GET",
    path: "/v1/records/{id}/integrity",
    permission: "record:read",
    summary: "Hash and signature of a record",
    response: r.IntegrityView,
  },
});
