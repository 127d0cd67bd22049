import { indexedPatient } from "../src/patients/indexed-patient.ts";
import { patients } from "../src/patients/patient.table.ts";
import { indexedPrescription } from "../src/prescriptions/indexed-prescription.ts";
import { prescriptions } from "../src/prescriptions/prescription.table.ts";
import type { LoadedPatient } from "../src/search/searched-row.store.ts";
import type { Records } from "./harness.ts";

/** What a search is to know of a patient, from the rows alone; in the form of `plain`. */
export async function fromRows({ pool, keyring }: Records, id: string): Promise<LoadedPatient> {
  const { rows: one } = await pool.query(`${patients.statements.rows} where r.id = $1`, [id]);
  const { rows } = await pool.query(`${prescriptions.statements.rows} where r.patient_id = $1`, [id]);
  return plain({
    patient: indexedPatient(patients.open(keyring, one[0])),
    chart: [id],
    rows: rows.map((row) => indexedPrescription(prescriptions.open(keyring, row))),
  });
}

/** Without what only a document says, in one order. */
export const plain = ({ patient, chart, rows }: LoadedPatient): LoadedPatient => ({
  patient,
  chart,
  rows: rows
    .map(({ id, patientId, text, startDate, isDated, status }) => ({
      ...{ id, patientId, text, startDate, isDated, status },
    }))
    .toSorted((a, b) => a.id.localeCompare(b.id)),
});
