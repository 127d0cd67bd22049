import { sealedTable } from "@medvault/keys";
import type { Prescription } from "./prescription.ts";

export const prescriptions = sealedTable<Prescription>({
  service: "records",
  table: "prescriptions",
  subject: "patient_id",
  typed: ["patient_id", "prescribed_by", "status", "start_date", "end_date", "created_at", "updated_at"],
  sealed: ["medication", "dosage", "frequency", "notes", "refills", "source"],
  indexes: { medication: "substring" },
  searchable: [],
  notText: ["source"],
});
