import { z } from "zod";
import { defineRoutes, REPLAY } from "../route.ts";
import * as f from "./schemas.ts";

/** A part of a multipart body, as OpenAPI writes one: its bytes, not text. */
const FilePart = z.string().meta({ contentMediaType: "application/octet-stream" });

export const fileApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/files",
    permission: "file:write",
    slow: true,
    summary: "Store 1 to 10 files of one patient (multipart/form-data: patientId, attachTo, files)",
    request: f.NewFiles.extend({ files: z.array(FilePart).min(1).max(10) }),
    requestType: "multipart/form-data",
    status: 201,
    response: f.UploadAnswer,
    errors: ["not_found", "content_mismatch", "quota_exceeded", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/files",
    permission: "file:read",
    summary: "Metadata of a patient's files, newest first",
    query: f.FileListQuery,
    response: f.FilePage,
    errors: ["not_found"],
  },
  read: {
    method: "GET",
    path: "/v1/files/{id}",
    permission: "file:read",
    summary: "Metadata of one file",
    response: f.FileView,
    etag: true,
  },
  content: {
    method: "GET",
    path: "/v1/files/{id}/content",
    permission: "file:read",
    summary: "The bytes; one Range is honoured",
    query: f.FileContentQuery,
    response: z.string(),
    responseType: "*/*", // the file's own
    etag: true,
    ranges: true,
    errors: ["inline_refused", "content_damaged"],
  },
  remove: {
    method: "DELETE",
    path: "/v1/files/{id}",
    permission: "file:delete",
    summary: "Remove one file for good",
    errors: ["version_conflict"],
  },
});
