import { sealedTable } from "@medvault/keys";
import type { ExportSecrets } from "./export.ts";

/** Under the patient's key: with that, no archive of theirs can be made or opened any more. */
export const exportSecrets = sealedTable<ExportSecrets>({
  service: "files",
  table: "export_secrets",
  id: "id",
  subject: "patient_id",
  typed: ["patient_id"],
  sealed: ["password", "delegation", "request_id", "file_key", "closed"],
  alwaysSealed: ["password", "delegation", "file_key"],
  open: [],
});
