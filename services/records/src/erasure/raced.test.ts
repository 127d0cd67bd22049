import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ADA,
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Records,
  startRecords,
} from "../../test/harness.ts";

// Two processes over one database: one erases, the other is written to.
let one: Records;
let two: Records;
beforeAll(async () => {
  one = await startRecords();
  two = await startRecords({ database: one.database, keyring: one.keyring });
});
afterAll(async () => {
  await two?.close();
  await one?.close();
});

const WHY = { reason: "Asked for by the patient in writing" };
const erase = async (patientId: string) =>
  (await one.someone("admin").post(`/v1/patients/${patientId}/erase`, WHY)).status;

/** What is left in any table of rows that name the patient but the ledger and its like. */
async function leftOf(patientId: string): Promise<string[]> {
  const { rows } = await one.pool.query<{ name: string; column: string }>(
    `select format('%I.%I', table_schema, table_name) as name, column_name as column from information_schema.columns
      where table_schema in ('records', 'records_sys') and data_type = 'uuid'
        and table_name not in ('erased_subjects', 'shreds', 'search_changes', 'patient_access')`,
  );
  const found: string[] = [];
  for (const { name, column } of rows) {
    const { rowCount } = await one.pool.query(`select from ${name} where "${column}" = $1`, [patientId]);
    if (rowCount) found.push(`${name}.${column}`);
  }
  return found;
}

const bundleOf = (patientId: string) => ({
  resourceType: "Bundle",
  type: "collection",
  entry: [
    {
      fullUrl: `urn:uuid:${crypto.randomUUID()}`,
      resource: {
        ...{ resourceType: "Observation", status: "final", code: { text: "Pulse" }, valueString: "70" },
        subject: { reference: `Patient/${patientId}` },
      },
    },
  ],
});

const WRITES: Record<
  string,
  (by: TestClient, patientId: string, drug: string) => Promise<{ status: number }>
> = {
  "a new prescription": (by, patientId) => by.post("/v1/prescriptions", { patientId, ...ASPIRIN }),
  "a change": (by, patientId, drug) =>
    by.put(`/v1/prescriptions/${drug}`, { patientId, ...ASPIRIN, dosage: "Two" }),
  "a change of the patient": (by, patientId) =>
    by.patch(`/v1/patients/${patientId}`, { phone: "555-000-1111" }),
  "a record": (by, patientId) =>
    by.post(`/v1/patients/${patientId}/records`, {
      type: "note",
      title: "Seen",
      body: "Well",
      occurredAt: "2026-01-01",
    }),
  "a FHIR load": (by, patientId) => by.post("/v1/fhir", bundleOf(patientId)),
  "a merge": async (by, patientId) =>
    by.post(`/v1/patients/${patientId}/merge`, { from: await givenPatient(by) }),
  "a place on the care team": (by, patientId) =>
    by.put(`/v1/patients/${patientId}/care-team/${one.someone("doctor").actor.id}`),
};

test.each(Object.keys(WRITES))(
  "%s that races an erasure is erased with the rest, or finds nobody; nothing of it stays",
  async (name) => {
    for (let round = 0; round < 3; round++) {
      const doctor = two.someone("doctor");
      const patientId = await givenPatient(doctor, { nationalId: `N-${crypto.randomUUID()}` });
      const drug = await givenPrescription(doctor, patientId);
      const write = WRITES[name] as NonNullable<(typeof WRITES)[string]>;
      const [written, ...erased] = await Promise.all([
        write(doctor, patientId, drug),
        erase(patientId),
        ...Array.from({ length: 2 }, () => erase(patientId)),
      ]);
      expect(erased).toEqual([202, 202, 202]);
      expect([name, [200, 201, 204, 404].includes(written.status), written]).toMatchObject([name, true, {}]);
      expect(await leftOf(patientId)).toEqual([]);
      expect((await write(doctor, patientId, drug)).status).toBe(404);
      expect(await leftOf(patientId)).toEqual([]);
    }
  },
);

test("a write that holds the patient is waited for, and then erased", async () => {
  const doctor = two.someone("doctor");
  const patientId = await givenPatient(doctor);
  let erasing: Promise<number> | undefined;
  await inTransaction(two.pool, async (tx) => {
    await tx.query("select from patients where id = $1 for key share", [patientId]);
    erasing = erase(patientId);
    await expect
      .poll(async () => {
        const { rows } = await one.pool.query(
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%for update of p%' and datname = current_database()",
        );
        return rows.length;
      })
      .toBe(1);
    await tx.query(
      "insert into care_team (patient_id, user_id, added_by, added_at) values ($1, $2, $2, now())",
      [patientId, doctor.actor.id.replace(/^.{8}/, "00000000")],
    );
  });
  expect(await erasing).toBe(202);
  expect(await leftOf(patientId)).toEqual([]);
});

test("searches through the other process never show the erased after the answer, nor fail meanwhile", async () => {
  const doctor = two.someone("doctor");
  const familyName = "Quillfeather";
  const [gone, stays] = [
    await givenPatient(doctor, { familyName }),
    await givenPatient(doctor, { familyName }),
  ];
  await givenPrescription(doctor, gone);
  const search = () =>
    doctor.post<{ items: { id: string }[] }>("/v1/patients/search", { q: familyName, limit: 100 });
  expect((await search()).body.items.map(({ id }) => id).sort()).toEqual([gone, stays].sort());
  const [during, status] = await Promise.all([Promise.all(Array.from({ length: 3 }, search)), erase(gone)]);
  expect(status).toBe(202);
  for (const one of during) expect(one.status).toBe(200);
  expect((await search()).body.items.map(({ id }) => id)).toEqual([stays]);
  const twin = await doctor.post("/v1/patients", { ...ADA, familyName, nationalId: "S7654321X" });
  expect(twin.status).toBe(201);
});

test("an export that was begun ends short of the erased, and never looks whole", async () => {
  const doctor = two.someone("doctor");
  const patientId = await givenPatient(doctor);
  for (let n = 0; n < 3; n++) await givenPrescription(doctor, patientId);
  const path = `/v1/fhir/Patient/${patientId}/$everything?_count=2`;
  const first = await doctor.get<{ link: { relation: string; url: string }[] }>(path);
  const next = new URL(first.body.link.find(({ relation }) => relation === "next")?.url ?? "", "http://x");
  await erase(patientId);
  expect((await doctor.get(next.pathname + next.search)).status).toBe(404);
});
