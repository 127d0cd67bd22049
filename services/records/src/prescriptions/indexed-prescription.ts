import { searchedFields } from "@medvault/keys";
import { type IndexedRow, termText } from "@medvault/search";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import { prescriptions } from "./prescription.table.ts";
import { isDated, type Prescription } from "./prescription.ts";

/** A prescription, as the index holds one: of the fields that the policy lets it hold. */
export function indexedPrescription(prescription: Found<Prescription>): IndexedRow {
  const { id, patientId } = prescription;
  const { startDate, status } = prescription as Prescription; // a damaged row has its typed columns
  const placed = { id, patientId, startDate, status };
  if (isDamaged(prescription)) return { ...placed, text: null, isDated: true };
  const value = prescription as unknown as Record<string, string | null>;
  const texts = searchedFields(prescriptions.table.declaration).map((field) => value[field] ?? null);
  return { ...placed, text: termText(texts), isDated: isDated(prescription) };
}
