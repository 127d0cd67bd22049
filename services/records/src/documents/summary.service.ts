import {
  type AppointmentView,
  type ClaimView,
  type MedicalRecordView,
  NotFound,
  type PrescriptionView,
  type SensitiveField,
  scopeOf,
} from "@medvault/contracts";
import { chartSummary, type SummaryRow, type SummarySection } from "@medvault/documents";
import type { NameOf } from "@medvault/service-kit";
import { PartClosed } from "../access/access.errors.ts";
import { chartInReach } from "../access/access.store.ts";
import type { Caller } from "../access/auth.client.ts";
import { appointments } from "../appointments/appointment.table.ts";
import { claims } from "../claims/claim.table.ts";
import type { Context } from "../context.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import { chartView, unmaskAct } from "../patients/patient.service.ts";
import { patients } from "../patients/patient.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import { done, readActOf } from "../resources/resource.events.ts";
import { find, type ListQuery, list } from "../resources/resource.service.ts";
import type { Resource } from "../resources/resource.ts";
import { momentAt } from "./printed-prescription.ts";
import {
  appointmentRow,
  claimRow,
  damagedRow,
  patientRow,
  prescriptionRow,
  recordRow,
} from "./summary-row.ts";

const ROWS_PER_PAGE = 100;
/** Printed at the top, before all other records. */
const FIRST = [
  ["Allergies", "allergy"],
  ["Diagnoses", "diagnosis"],
] as const;

/**
 * A whole chart as a PDF, as far as the caller may see it now: each page of it is read by the
 * ordinary lists, as it is printed. Not encrypted: it is for an archive that is. Throws NotFound,
 * DocumentFailed, and as readPatient does.
 */
export async function summaryPdf(
  context: Context,
  caller: Caller,
  id: string,
  unmask: readonly SensitiveField[] = [],
): Promise<AsyncGenerator<Uint8Array>> {
  if (!(await chartInReach(context.pool, caller, "fhir:export", id))) throw new NotFound();
  const patient = await find(context, caller, patients, id);
  const acts = await unmaskAct(context, caller, patient.id, unmask);
  const act = { ...readActOf(patients, patient), verb: "summarised", permission: "fhir:export" } as const;
  await context.appender.append(...[act, ...acts].map((one) => done(caller, one)));
  const nameOf = await context.people.namesOf(caller, [caller.id]);
  const { letterhead, timeZone } = context.clinic;
  return chartSummary({
    ...{ letterhead, password: null, madeAt: momentAt(new Date(), timeZone) },
    madeFor: nameOf(caller.id) ?? "",
    patient: patientRow(chartView(patient, unmask)),
    sections: sectionsOf(context, caller, patient.id),
  });
}

function* sectionsOf(context: Context, caller: Caller, patientId: string): Generator<SummarySection> {
  const zone = context.clinic.timeZone;
  const of = <T extends Row, V extends object>(
    resource: Resource<T, V>,
    ids: (view: V) => (string | null)[],
    row: (view: V, nameOf: NameOf) => SummaryRow | null,
    query: object = {},
  ) => rowsOf(context, caller, resource, { ...query, patientId }, ids, row);
  if (scopeOf(caller, "record:read") !== null) {
    const author = (view: MedicalRecordView) => [view.authorId];
    for (const [title, type] of FIRST) yield { title, rows: of(medicalRecords, author, recordRow, { type }) };
    const isFirst = ({ type }: MedicalRecordView) => FIRST.some(([, first]) => first === type);
    const other = (view: MedicalRecordView, nameOf: NameOf) =>
      isFirst(view) ? null : recordRow(view, nameOf);
    yield { title: "Records", rows: of(medicalRecords, author, other) };
  }
  if (scopeOf(caller, "prescription:read") !== null) {
    const prescriber = (view: PrescriptionView) => [view.prescribedBy];
    yield { title: "Prescriptions", rows: of(prescriptions, prescriber, prescriptionRow) };
  }
  if (scopeOf(caller, "claim:read") !== null) {
    const provider = (view: ClaimView) => [view.providerId ?? view.createdBy];
    yield { title: "Claims", rows: of(claims, provider, claimRow) };
  }
  if (scopeOf(caller, "appointment:read") !== null) {
    const doctor = (view: AppointmentView) => [view.doctorId];
    const row = (view: AppointmentView, nameOf: NameOf) => appointmentRow(view, nameOf, zone);
    yield { title: "Appointments", rows: of(appointments, doctor, row) };
  }
}

/** All rows of a list, in its order (the latest first), page by page as they are asked for. */
async function* rowsOf<T extends Row, V extends object>(
  context: Context,
  caller: Caller,
  resource: Resource<T, V>,
  filter: Omit<ListQuery, "limit">,
  ids: (view: V) => (string | null)[],
  row: (view: V, nameOf: NameOf) => SummaryRow | null,
): AsyncGenerator<SummaryRow> {
  let cursor: string | undefined;
  do {
    const query = { ...filter, limit: ROWS_PER_PAGE, ...(cursor !== undefined && { cursor }) };
    const page = await list(context, caller, resource, query).catch(whereClosed);
    if (page === null) return yield CLOSED;
    const { body } = page;
    const items = body?.items ?? [];
    const shown = items.filter((item) => !("damaged" in item)) as V[];
    const nameOf = await context.people.namesOf(
      caller,
      shown.flatMap(ids).filter((id) => id !== null),
    );
    for (const item of items) {
      const printed = "damaged" in item ? damagedRow(item) : row(item, nameOf);
      if (printed) yield printed;
    }
    cursor = body?.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

const CLOSED: SummaryRow = { date: null, title: "The patient has closed this part.", lines: [], by: null };

/** Null for a part that the patient closed to the caller, also while it was being printed. */
function whereClosed(error: unknown): null {
  if (error instanceof PartClosed) return null;
  throw error;
}
