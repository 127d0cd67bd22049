import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyPolicy, type SealedTable } from "@medvault/keys";
import { rebuildIndexes, reseal } from "@medvault/keys/operations";
import type { TestClient } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { givenPatient, givenPrescription, type Known, type Records, startRecords } from "../test/harness.ts";
import { openIndexes } from "./context.ts";
import { patients as patientResource } from "./patients/patient.table.ts";
import { prescriptions as prescriptionResource } from "./prescriptions/prescription.table.ts";
import { sealedTables } from "./tables.ts";

const { table: patients } = patientResource;
const { table: prescriptions } = prescriptionResource;
const declared = sealedTables.map((table) => table.declaration);
let service: Records;
let admin: TestClient;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvault-policy-"));
  service = await startRecords();
  admin = service.someone("admin");
});
afterEach(async () => {
  declareAgain();
  await service.close();
  await rm(folder, { recursive: true });
});

function declareAgain(): void {
  for (const [at, declaration] of declared.entries()) sealedTables[at]?.adopt(declaration as never);
}

/** As a restart under this policy: `{ patients: { phone: "exact" } }`. */
async function restart(indexes: Record<string, Record<string, string>>): Promise<void> {
  declareAgain();
  const records = Object.fromEntries(
    Object.entries(indexes).map(([table, fields]) => [
      table,
      { fields: Object.fromEntries(Object.entries(fields).map(([field, index]) => [field, { index }])) },
    ]),
  );
  const file = join(folder, "policy.json");
  await writeFile(file, JSON.stringify({ services: { records } }));
  await applyPolicy({ file, service: "records", tables: sealedTables });
  const { pool, keyring } = service.context;
  Object.assign(service.context, { indexes: await openIndexes(pool, keyring) });
}

const incomplete = () => [
  ...service.context.indexes.of(patients).incomplete,
  ...service.context.indexes.of(prescriptions).incomplete,
];

async function reindex(table: SealedTable<never> = patients as never): Promise<void> {
  const options = { pausePerWork: 0, onStep: async () => undefined };
  const done = await rebuildIndexes(service.context.pool, service.context.keyring, table, options);
  expect(done).toMatchObject({ finished: true, refused: [] });
}

async function find(search: object, of: "patients" | "prescriptions" = "patients"): Promise<string[]> {
  const answer = await admin.post<{ items: Known[] }>(`/v1/${of}/search`, search);
  expect(answer.status).toBe(200);
  return answer.body.items.map(({ id }) => id);
}

async function stored(): Promise<{ name: string[]; national: Buffer | null; added: string[] }[]> {
  const { rows } = await service.context.pool.query<{
    name: string[];
    national: Buffer | null;
    added: string[];
  }>(
    `select name_tokens::text[] as name, national_id_token as national, added_tokens as added from patients order by id`,
  );
  return rows;
}

const add = (n: number) =>
  givenPatient(admin, { phone: `+31 20 555 ${n}`, email: `p${n}@mail.example`, nationalId: `N-10${n}-X` });

test("an index that a policy adds is used for new rows at once, found by when it is built, and right all the while", async () => {
  const old = await add(1);
  await restart({ patients: { phone: "exact", email: "substring", national_id: "substring" } });
  const fresh = await add(2);
  const [oldRow, freshRow] = await stored();
  expect(oldRow?.added).toEqual([]);
  expect(freshRow?.added.filter((token) => token.startsWith("phone/"))).toHaveLength(1);
  expect(freshRow?.added.filter((token) => token.startsWith("national_id/")).length).toBeGreaterThan(4);
  expect(freshRow?.national).toBeNull(); // the column of its own has no tokens of another kind
  expect(JSON.stringify(freshRow)).not.toMatch(/@|mail\.|N-10|\+31/i);

  const expectAllFound = async () => {
    for (const [n, id] of [old, fresh].entries()) {
      expect(await find({ phone: ` +31 20 555  ${n + 1}` })).toEqual([id]);
      expect(await find({ email: `P${n + 1}@mail` })).toEqual([id]);
      expect(await find({ nationalId: `n-10${n + 1}` })).toEqual([id]);
      expect(await find({ q: "marsh", email: `p${n + 1}@`, phone: `+31 20 555 ${n + 1}` })).toEqual([id]);
    }
    expect(new Set(await find({ email: "mail.example" }))).toEqual(new Set([old, fresh]));
    expect(await find({ phone: "+31 20 555" })).toEqual([]);
  };
  expect(incomplete().sort()).toEqual(["email", "national_id", "phone"]);
  await expectAllFound();
  await reindex();
  await expectAllFound();
  expect(incomplete()).toEqual([]);
  for (const row of await stored()) {
    expect(row.added.length).toBeGreaterThan(10);
    expect(row.national).toBeNull();
  }
  // It is the tokens by which they are found now.
  await service.context.pool.query("update patients set added_tokens = '{}' where id = $1", [old]);
  expect(await find({ phone: "+31 20 555 1" })).toEqual([]);
  const options = { all: true, onRows: async () => undefined };
  await reseal(service.context.pool, service.context.keyring, patients, options);
  await expectAllFound();
});

test("new keys for an index that was added go in while rows and searches stay right", async () => {
  await restart({ patients: { phone: "exact" } });
  const one = await add(1);
  await reindex();
  const [before] = await stored();
  await reindex();
  expect((await stored())[0]?.added).not.toEqual(before?.added);
  expect((await stored())[0]?.added).toHaveLength(1);
  expect(await find({ phone: "+31 20 555 1" })).toEqual([one]);
});

test("an index of another kind, and an index that is off, change what is stored and not what is right", async () => {
  const patientId = await add(1);
  const old = await givenPrescription(admin, patientId, { medication: "Ibuprofen 400 mg" });
  await restart({
    patients: { search_name: "none", birth_date: "none" },
    prescriptions: { medication: "exact" },
  });
  const fresh = await givenPrescription(admin, patientId, { medication: "Ibuprofen 400 mg" });
  const other = await add(2);
  for (const isBuilt of [false, true]) {
    if (isBuilt) {
      await reindex();
      await reindex(prescriptions as never);
    }
    expect(new Set(await find({ q: "arsh" }))).toEqual(new Set([patientId, other]));
    expect(new Set(await find({ birthDate: "1971-02-03" }))).toEqual(new Set([patientId, other]));
    expect(await find({ birthDate: "1971-02-04" })).toEqual([]);
    expect(new Set(await find({ q: "ibuprofen 400  MG" }, "prescriptions"))).toEqual(new Set([old, fresh]));
    expect(await find({ q: "ibuprofen" }, "prescriptions")).toEqual([]);
    expect(new Set(await find({ q: "arsh" }, "prescriptions"))).toEqual(new Set([old, fresh]));
    expect(await find({ q: " " })).toEqual([]);
  }
  for (const row of await stored()) expect(row).toMatchObject({ name: [], added: [] });
});

test("an index that was off and is on again misses no row that was written meanwhile", async () => {
  const before = await add(1);
  await restart({ patients: { national_id: "none", search_name: "none" } });
  const meanwhile = await add(2);
  await restart({});
  const after = await add(3);
  expect(incomplete().sort()).toEqual(["national_id", "search_name"]);
  const expectFound = async () => {
    for (const [n, id] of [before, meanwhile, after].entries()) {
      expect(await find({ nationalId: `N-10${n + 1}-X`, q: "Marsh" })).toEqual([id]);
    }
  };
  await expectFound();
  await reindex();
  expect(await find({ nationalId: "N-102-X" })).toEqual([meanwhile]);
  expect(incomplete()).toEqual([]);
  await expectFound();
});

test("a command with another policy than the services' is refused, and one that slipped through hides no row", async () => {
  await restart({ patients: { phone: "exact" } });
  await add(1);
  await reindex();
  const { pool, keyring } = service.context;
  declareAgain();
  const refused = { code: "index_policy_differs" };
  await expect(reindex()).rejects.toMatchObject(refused);
  const options = { all: true, onRows: async () => undefined };
  await expect(reseal(pool, keyring, patients, options)).rejects.toMatchObject(refused);

  // The services have no index of names; a command without their policy builds one.
  await restart({ patients: { search_name: "none" } });
  const theirs = patients.declaration;
  declareAgain();
  await reindex();
  patients.adopt(theirs);
  const late = await givenPatient(admin, { familyName: "Latecomer" });
  await restart({});
  expect(await find({ q: "latecomer" })).toEqual([late]);
});
