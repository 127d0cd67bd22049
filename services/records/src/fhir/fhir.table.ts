import { sealedTable } from "@medvault/keys";
import type { Resource } from "./bundle.ts";

/** A resource that has no room of its own yet, as it came. */
export interface KeptResource {
  id: string;
  rev: number;
  /** The patient, or who loaded a bundle that has none. */
  subjectId: string;
  createdAt: Date;
  fullUrl: string | null;
  resource: Resource;
}

export const fhirResources = sealedTable<KeptResource>({
  service: "records",
  table: "fhir_resources",
  subject: "subject_id",
  typed: ["subject_id", "created_at"],
  sealed: ["full_url", "resource"],
  notText: ["resource"],
});
