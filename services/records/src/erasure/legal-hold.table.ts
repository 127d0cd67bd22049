import { patientTable } from "../resources/patient-table.ts";

/** What keeps a patient from being erased; its id is the patient's. */
export interface LegalHold {
  id: string;
  rev: number;
  patientId: string;
  placedBy: string;
  createdAt: Date;
  updatedAt: Date;
  reason: string;
}

export const legalHolds = patientTable<LegalHold>({
  noun: "legalhold",
  table: "legal_holds",
  columns: {
    patientId: { store: "uuid", content: false },
    placedBy: { store: "uuid", content: false },
    createdAt: { store: "timestamptz", content: false },
    updatedAt: { store: "timestamptz", content: false },
    reason: { store: "sealed", content: false },
  },
});
