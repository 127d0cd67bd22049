import { patientTable } from "../resources/patient-table.ts";

/** An erasure that a second person is to approve, or did not; its id is the patient's. */
export interface ErasureRequest {
  id: string;
  rev: number;
  patientId: string;
  requestedBy: string;
  state: string;
  decidedBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date;
  reason: string;
}

export const erasureRequests = patientTable<ErasureRequest>({
  noun: "erasure-request",
  table: "erasure_requests",
  columns: {
    patientId: { store: "uuid", content: false },
    requestedBy: { store: "uuid", content: false },
    state: { store: "text", content: false },
    decidedBy: { store: "uuid", content: false },
    createdAt: { store: "timestamptz", content: false },
    updatedAt: { store: "timestamptz", content: false },
    expiresAt: { store: "timestamptz", content: false },
    reason: { store: "sealed", content: false },
  },
});
