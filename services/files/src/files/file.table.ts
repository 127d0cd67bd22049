import { sealedTable } from "@medvault/keys";
import type { StoredFile } from "./file.ts";

/** Also for a field policy and `npm run keys -- reseal`. */
export const files = sealedTable<StoredFile>({
  service: "files",
  table: "files",
  id: "id",
  subject: "patient_id",
  typed: [
    "patient_id",
    "attached_to",
    "content_type",
    "size_bytes",
    "state",
    "uploaded_by",
    "blob",
    "blob_bytes",
    "blob_sha256",
  ],
  sealed: ["name", "sha256", "file_key"],
  alwaysSealed: ["file_key"],
  open: [],
});
