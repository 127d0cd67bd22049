import type { BreakGlassView } from "@medvault/contracts";
import type { PatientOwned, Stored } from "../resources/patient-owned.ts";

/** One emergency in which someone reached a chart that they do not reach otherwise. */
export interface BreakGlass
  extends PatientOwned,
    Omit<Stored<BreakGlassView, "createdAt" | "expiresAt" | "reviewedAt">, "patientId" | "purpose"> {}

/** Charts that one person may hold open at once: more is no emergency. */
export const MAX_RUNNING = 5;

/** When an access that begins at `from` ends. */
export const endOf = (from: Date, minutes: number): Date => new Date(from.getTime() + minutes * 60_000);
