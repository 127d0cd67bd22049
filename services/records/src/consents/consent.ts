import type { ClosableType, ConsentView } from "@medvault/contracts";
import type { PatientOwned, Stored } from "../resources/patient-owned.ts";

/** What a patient opened to someone, or closed to them. */
export interface Consent
  extends PatientOwned,
    Omit<Stored<ConsentView, "createdAt" | "expiresAt">, "patientId" | "closes"> {
  /** What is closed: every row of this type, or one of them. Null: the chart is opened. */
  partType: ClosableType | null;
  partId: string | null;
  /** When it was revoked. */
  hiddenAt: Date | null;
}

/** How many of a patient's may be in force at once. */
export const MAX_CONSENTS = 200;
