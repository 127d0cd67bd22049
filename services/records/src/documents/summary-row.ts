import type {
  AppointmentView,
  ClaimView,
  DamagedRow,
  MedicalRecordView,
  PatientView,
  PrescriptionView,
} from "@medvault/contracts";
import type { SummaryRow } from "@medvault/documents";
import { codeText, fullName, momentAt } from "./printed-prescription.ts";

/** How people are called; null: nobody knows. */
type NameOf = (id: string) => string | null;

/** The patient at the top of a summary. */
export const patientRow = (patient: PatientView): SummaryRow => ({
  ...{ date: null, title: fullName(patient), by: null },
  lines: [
    ["Born", patient.birthDate],
    ["Sex", patient.sex],
    ["National id", patient.nationalId],
    ["Address", patient.address],
    ["Phone", patient.phone],
    ["Mail", patient.email],
    ["Id", patient.id],
  ],
});

export const recordRow = (record: MedicalRecordView, nameOf: NameOf): SummaryRow => ({
  ...{ date: record.occurredAt, title: record.title, by: nameOf(record.authorId) },
  lines: [
    ["Kind", record.type],
    ["Code", codeText(record.code)],
    ["Text", record.body],
  ],
});

export const prescriptionRow = (prescription: PrescriptionView, nameOf: NameOf): SummaryRow => ({
  ...{ date: prescription.startDate, title: prescription.medication, by: nameOf(prescription.prescribedBy) },
  lines: [
    ["Code", codeText(prescription.code)],
    ["Dosage", prescription.dosage],
    ["Frequency", prescription.frequency],
    ["Until", prescription.endDate],
    ["Refills", prescription.refills === null ? null : String(prescription.refills)],
    ["Status", prescription.status],
    ["Notes", prescription.notes],
  ],
});

export const claimRow = (claim: ClaimView, nameOf: NameOf): SummaryRow => ({
  date: claim.createdAt.slice(0, 10),
  title: claim.diagnosis ?? claim.diagnosisCode ?? "Claim",
  by: nameOf(claim.providerId ?? claim.createdBy),
  lines: [
    ["Code", claim.diagnosisCode],
    ["Treatment", claim.treatment],
    ["Amount", amountOf(claim)],
    ["Status", claim.status],
    ["Reason", claim.reason],
  ],
});

export const appointmentRow = (appointment: AppointmentView, nameOf: NameOf, zone: string): SummaryRow => ({
  date: momentAt(new Date(appointment.startsAt), zone).slice(0, 16),
  title: "Appointment",
  by: nameOf(appointment.doctorId),
  lines: [
    ["Until", momentAt(new Date(appointment.endsAt), zone)],
    ["Status", appointment.status],
    ["Reason", appointment.reason],
    ["Change", appointment.changeReason],
  ],
});

/** What is there, and cannot be read any more. */
export const damagedRow = ({ id }: DamagedRow): SummaryRow => ({
  ...{ date: null, title: "An entry that is damaged and cannot be read", by: null },
  lines: [["Id", id]],
});

/** In the currency's own units: yen have no cents. */
function amountOf({ amount, currency }: ClaimView): string {
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat("en", {
    style: "currency",
    currency,
  }).resolvedOptions();
  return `${(amount / 10 ** maximumFractionDigits).toFixed(maximumFractionDigits)} ${currency}`;
}
