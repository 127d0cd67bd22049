import { sealedTable } from "@medvault/keys";
import type { Claim } from "./claim.ts";

export const claims = sealedTable<Claim>({
  service: "records",
  table: "claims",
  subject: "patient_id",
  typed: ["patient_id", "provider_id", "created_by", "status", "created_at", "updated_at"],
  sealed: ["diagnosis_code", "diagnosis", "treatment", "amount", "currency", "reason", "source"],
  fewValues: ["currency"],
  notText: ["source"],
});
