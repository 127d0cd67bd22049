import path from "node:path";
import { newId } from "@medvault/contracts";
import { createKeyring, createSubjectKeys, type Keyring } from "@medvault/keys";
import { createPool, inTransaction } from "@medvault/postgres";
import pg from "pg";
import type { Ops } from "../../e2e/support/system.ts";
import { patients } from "../../services/records/src/patients/patient.table.ts";
import { newPatient, type Patient } from "../../services/records/src/patients/patient.ts";
import { prescriptions } from "../../services/records/src/prescriptions/prescription.table.ts";
import { lasting, type Prescription } from "../../services/records/src/prescriptions/prescription.ts";
import type { Row } from "../../services/records/src/resources/patient-owned.ts";
import type { PatientTable } from "../../services/records/src/resources/patient-table.ts";
import type { Corpus } from "./corpus.ts";

/** Prescriptions of one patient. */
export const PER_PATIENT = 10;
/** Patients at a time. */
const BATCH = 200;
const SETTLED_MS = 1_200_000;
const FIRST_PATIENTS = "select id from patients order by md5(id::text) limit $1";
const STATUSES = ["active", "completed", "cancelled", "on-hold"] as const;

/** Writes rows as the records service does, past its API: only so can there be a million. */
export interface Seeder {
  /** Adds so many patients with ten prescriptions each. */
  add(patientCount: number): Promise<void>;
  /** The statement for the ids of so many patients ($1), spread over all. */
  readonly firstPatients: string;
  /** Puts a doctor on the care team of so many of them. */
  assign(doctorId: string, patientCount: number): Promise<void>;
  /** Until every row is in its search document: that work is not what is measured. */
  settled(): Promise<void>;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

export async function openSeeder({ postgres, dirs }: Ops, corpus: Corpus, by: string): Promise<Seeder> {
  const connectionString = postgres.services.records ?? "";
  const pool = createPool({ connectionString, applicationName: "bench", schema: "records", max: 2 });
  const keyring = await createKeyring({
    service: "records",
    keysFile: path.join(dirs.keys, "records.json"),
  });
  return {
    pool,
    firstPatients: FIRST_PATIENTS,
    async add(patientCount) {
      for (let left = patientCount; left > 0; left -= BATCH) {
        await addBatch(pool, keyring, corpus, by, Math.min(left, BATCH));
      }
      await analyze(postgres.superuser, "patients", "prescriptions");
    },
    async assign(doctorId, patientCount) {
      await pool.query(
        `insert into care_team (patient_id, user_id, added_by, added_at)
         select id, $2, $2, now() from (${FIRST_PATIENTS}) p on conflict do nothing`,
        [patientCount, doctorId],
      );
      await analyze(postgres.superuser, "care_team");
    },
    async settled() {
      const end = Date.now() + SETTLED_MS;
      while (await isWaiting(pool)) {
        if (Date.now() > end) throw new Error("the search documents were not written within 20 minutes");
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    },
    close: () => pool.end(),
  };
}

/**
 * As the superuser: for anyone but its owner Postgres leaves a table out, with a warning. A minute
 * later it would do it by itself, and until then keep the plans for a table of a few rows.
 */
async function analyze(superuser: string, ...tables: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: superuser });
  await client.connect();
  try {
    for (const table of tables) await client.query(`analyze records.${pg.escapeIdentifier(table)}`);
  } finally {
    await client.end();
  }
}

async function isWaiting(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ waiting: boolean }>(
    "select exists (select from search_changes where not projected) as waiting",
  );
  return rows[0]?.waiting === true;
}

async function addBatch(pool: pg.Pool, keyring: Keyring, corpus: Corpus, by: string, count: number) {
  const at = new Date();
  const people = Array.from({ length: count }, () => patientOf(corpus, by, at));
  const rows = people.flatMap(({ id }) =>
    Array.from({ length: PER_PATIENT }, () => prescriptionOf(corpus, id, by, at)),
  );
  await inTransaction(pool, async (tx) => {
    const keys = await createSubjectKeys(
      tx,
      keyring,
      people.map(({ id }) => id),
    );
    await insert(tx, keyring, patients, people, ({ id }) => keys.get(id));
    await insert(tx, keyring, prescriptions, rows, ({ patientId }) => keys.get(patientId));
  });
}

async function insert<T extends Row>(
  tx: pg.ClientBase,
  keyring: Keyring,
  { table, layout, statements }: PatientTable<T>,
  values: readonly T[],
  keyOf: (value: T) => Buffer | undefined,
): Promise<void> {
  const items = values.map((value) => ({ value, subjectKey: keyOf(value) ?? Buffer.alloc(0) }));
  const boxes = await table.sealMany(keyring, items);
  await tx.query(statements.insert, [
    values.map(({ id }) => id),
    ...layout.typed.map(({ property }) => values.map((value) => value[property as keyof T])),
    ...layout.tokens.map(() => values.map(() => null)), // a patient without a national id has none
    values.map(({ rev }) => rev),
    boxes.map(({ open }) => JSON.stringify(open)),
    boxes.map(({ sealed }) => sealed),
  ]);
}

function patientOf(corpus: Corpus, by: string, at: Date): Patient {
  const content = {
    ...corpus.name(),
    birthDate: corpus.day(),
    sex: "unknown" as const,
    ...{ nationalId: null, phone: null, email: null, address: null },
  };
  return newPatient(newId(), content, { userId: null, source: null, createdBy: by, createdAt: at });
}

function prescriptionOf(corpus: Corpus, patientId: string, by: string, at: Date): Prescription {
  return {
    ...{ id: newId(), rev: 1, patientId, createdAt: at, updatedAt: at, source: null },
    ...{ prescribedBy: by, createdBy: by, updatedBy: by },
    ...{ medication: corpus.term(), code: null, codeSystem: null, codeDisplay: null },
    ...{ dosage: "One tablet", frequency: "daily", notes: null, refills: 0 },
    ...lasting(corpus.day(), null, at.toISOString()),
    status: STATUSES[corpus.number(STATUSES.length)] ?? "active",
  };
}
