import { sealedTable } from "@medvault/keys";
import type { MedicalRecord, PastVersion } from "./record.ts";

const SEALED = ["type", "title", "body", "code", "integrity", "source"];

export const medicalRecords = sealedTable<MedicalRecord>({
  service: "records",
  table: "medical_records",
  subject: "patient_id",
  typed: ["patient_id", "author_id", "version", "occurred_at", "created_at", "updated_at", "hidden_at"],
  sealed: SEALED,
  fewValues: ["type"],
  notText: ["integrity", "source"],
});

export const pastVersions = sealedTable<PastVersion>({
  service: "records",
  table: "medical_record_versions",
  subject: "patient_id",
  typed: ["record_id", "patient_id", "author_id", "version", "occurred_at", "created_at", "updated_at"],
  sealed: SEALED,
  fewValues: ["type"],
  notText: ["integrity", "source"],
});
