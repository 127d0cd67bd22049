import type { PrescriptionView } from "@medvault/contracts";
import type { Original } from "../fhir/resource.ts";
import type { Stored } from "../resources/patient-owned.ts";

export interface Prescription extends Stored<PrescriptionView, "createdAt" | "updatedAt"> {
  /** The FHIR resource that it came from, until it is changed here. */
  source: Original | null;
}

/** What a prescriber answers for; a note or an end by another makes nobody the prescriber. */
const SUBSTANCE = ["medication", "dosage", "frequency", "startDate", "endDate", "refills"] as const;

/**
 * Who rewrites what is to be taken, or makes it active again, prescribes it from then on. `next` is
 * the version that `by` makes of `former`.
 */
export function authored(next: Prescription, former: Prescription, by: string): Prescription {
  const isRewritten = SUBSTANCE.some((field) => next[field] !== former[field]);
  const isRevived = next.status === "active" && former.status !== "active";
  return {
    ...next,
    prescribedBy: isRewritten || isRevived ? by : former.prescribedBy,
    createdBy: former.createdBy ?? former.prescribedBy,
    updatedBy: by,
  };
}
