import type {
  NewPrescription,
  PrescriptionStatus,
  PrescriptionView,
  ReplacePrescription,
} from "@medvault/contracts";
import type { Original } from "../fhir/map.ts";

export interface Prescription {
  id: string;
  rev: number;
  patientId: string;
  prescribedBy: string;
  status: PrescriptionStatus;
  /** `YYYY-MM-DD` */
  startDate: string;
  endDate: string | null;
  createdAt: Date;
  updatedAt: Date;
  medication: string;
  dosage: string | null;
  frequency: string | null;
  notes: string | null;
  refills: number | null;
  /** The FHIR resource that it came from, until it is changed here. */
  source: Original | null;
}

export const PRESCRIPTION_FIELDS = [
  "medication",
  "dosage",
  "frequency",
  "notes",
  "startDate",
  "endDate",
  "refills",
  "status",
] as const;

type Content = Omit<NewPrescription, "patientId" | "dosage"> & Pick<ReplacePrescription, "dosage">;

/** What is prescribed, with null for all that was not said. */
export function contentOf(input: Content) {
  return {
    status: input.status,
    startDate: input.startDate,
    endDate: input.endDate ?? null,
    medication: input.medication,
    dosage: input.dosage,
    frequency: input.frequency ?? null,
    notes: input.notes ?? null,
    refills: input.refills ?? null,
  };
}

/** The prescription with all of its content replaced, one revision on; patient and prescriber stay. */
export function replaceContent(prescription: Prescription, input: Content, now: Date): Prescription {
  return {
    ...prescription,
    ...contentOf(input),
    rev: prescription.rev + 1,
    updatedAt: now,
    source: null,
  };
}

export function viewOf(prescription: Prescription): PrescriptionView {
  const { rev: _rev, source: _source, createdAt, updatedAt, ...fields } = prescription;
  return { ...fields, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
