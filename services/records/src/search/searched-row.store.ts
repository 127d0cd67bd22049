import { setImmediate as turn } from "node:timers/promises";
import type { Keyring, SealedRow } from "@medvault/keys";
import { type Db, withDeadline } from "@medvault/postgres";
import type { IndexedPatient, IndexedRow } from "@medvault/search";
import { indexedPatient } from "../patients/indexed-patient.ts";
import { patients } from "../patients/patient.table.ts";
import { indexedPrescription } from "../prescriptions/indexed-prescription.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import { CHART, type MergedChart } from "../resources/chart.ts";

/** Where the rows are, and what opens them. Reads as the system: the index is of everyone. */
export interface Place {
  readonly db: Db;
  readonly keyring: Keyring;
}

/** A patient, and the ids of their merged chart; of a chart of its own, that one id. */
export interface ReadPatient {
  readonly patient: IndexedPatient;
  readonly chart: readonly string[];
}

/** As Place, for an index that follows: it asks the primary what changed; `db` may be a replica. */
export interface IndexPlace extends Place {
  readonly primary: Db;
}

/** As the index takes one in. */
export interface LoadedPatient extends ReadPatient {
  readonly rows: readonly IndexedRow[];
}

/** The ids of a patient's chart. */
export const chartIds = (id: string, chart: MergedChart | null): readonly string[] =>
  chart ? [chart.id, ...(chart.mergedFrom ?? [])] : [id];

const PATIENTS = `${patients.statements.rows}
      where r.id = any($1::uuid[])`;
const ROWS = `${prescriptions.statements.rows}
      where r.id = any($1::uuid[])`;
const IDS = "select id from patients where id > $1 order by id limit $2";

const NIL = "00000000-0000-0000-0000-000000000000";
const STATEMENT_MS = 10_000;
/** Then others have their turn. */
const TURN_MS = 8;

/** The patients after `after`, in the order of their ids. */
export async function nextPatientIds(db: Db, after: string | null, limit: number): Promise<string[]> {
  const { rows } = await read<{ id: string }>(db, IDS, [after ?? NIL, limit]);
  return rows.map(({ id }) => id);
}

export async function countPatients(db: Db): Promise<number> {
  const { rows } = await read<{ count: number }>(db, "select count(*) as count from patients", []);
  return rows[0]?.count ?? 0;
}

/** Of these patients those who are there and have a key. */
export async function readPatients(place: Place, ids: readonly string[]): Promise<ReadPatient[]> {
  const { rows } = await read<SealedRow>(place.db, PATIENTS, [ids]);
  return inTurns(rows, (row) => {
    const patient = patients.open(place.keyring, row);
    return { patient: indexedPatient(patient), chart: chartIds(patient.id, patient[CHART] ?? null) };
  });
}

/** Of these prescriptions those that are there and whose patients have a key. */
export async function readRows(place: Place, ids: readonly string[]): Promise<IndexedRow[]> {
  const { rows } = await read<SealedRow>(place.db, ROWS, [ids]);
  return inTurns(rows, (row) => indexedPrescription(prescriptions.open(place.keyring, row)));
}

const read = <R extends object>(db: Db, text: string, values: unknown[]) =>
  withDeadline(STATEMENT_MS, () => db.query<R & Record<string, unknown>>(text, values));

/** Opens many without holding the event loop. */
async function inTurns<R, T>(rows: readonly R[], open: (row: R) => T): Promise<T[]> {
  const opened: T[] = [];
  let since = performance.now();
  for (const row of rows) {
    opened.push(open(row));
    if (performance.now() - since < TURN_MS) continue;
    await turn();
    since = performance.now();
  }
  return opened;
}
