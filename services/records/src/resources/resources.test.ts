import { FhirImportView, namedBy, newId, recordsRoutes } from "@medvault/contracts";
import { createSubjectKey } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";
import { sampleOf } from "../../test/samples.ts";
import { UNSIGNED } from "../medical-records/integrity.ts";
import { patients } from "../patients/patient.table.ts";
import { declaredTables, resources } from "../tables.ts";
import type { Row } from "./patient-owned.ts";
import { insert } from "./resource.store.ts";
import type { Resource } from "./resource.ts";

// Each resource is declared once. Here every declaration is held against what it cannot see: the
// migrated tables, the schemas of the contract, the mapping to FHIR, and what the API answers.

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const named = resources.map((resource) => [resource.plural, resource] as const);

test.each(declaredTables.map((table) => [table.layout.table, table] as const))(
  "%s: the declared columns are those of the migrated table",
  async (name, { layout }) => {
    const { rows } = await service.context.pool.query<{ column: string; type: string }>(
      `select column_name as column, udt_name as type from information_schema.columns
        where table_schema = 'records' and table_name = $1`,
      [name],
    );
    const typed = layout.typed.map(({ column, type }) => ({ column, type: type === "int" ? "int4" : type }));
    const tokens = layout.tokens.map((column) => ({ column, type: "bytea" }));
    const sealedAs = layout.resettable.length > 0 ? { sealed_as: "jsonb" } : {};
    const ours = { id: "uuid", rev: "int4", open: "jsonb", sealed: "bytea", ...sealedAs };
    const all = [...Object.entries(ours).map(([column, type]) => ({ column, type })), ...typed, ...tokens];
    expect(sorted(rows)).toEqual(sorted(all));
  },
);

test.each(
  declaredTables
    .filter(({ layout }) => layout.subject === "patient_id")
    .map(({ layout }) => [layout.table, layout.subject] as const),
)("%s: rows go with their patient, and are found by patient by an index", async (table, subject) => {
  const { pool } = service.context;
  const { rows: keys } = await pool.query<{ definition: string }>(
    "select pg_get_constraintdef(oid) as definition from pg_constraint where conrelid = $1::regclass and contype = 'f'",
    [table],
  );
  expect(keys.map(({ definition }) => definition).join()).toContain(
    `FOREIGN KEY (${subject}) REFERENCES patients(id) ON DELETE CASCADE`,
  );
  const { rows: indexes } = await pool.query<{ indexdef: string }>(
    "select indexdef from pg_indexes where schemaname = 'records' and tablename = $1",
    [table],
  );
  expect(indexes.map(({ indexdef }) => indexdef).join()).toContain(`(${subject}`);
});

const sorted = (columns: { column: string; type: string }[]) =>
  columns.map(({ column, type }) => `${column} ${type}`).sort();

test.each(named)(
  "%s: every content field is in the view, and every field of the view is declared",
  (_, resource) => {
    const named = Object.entries(resource.schema.shape).filter(([, field]) =>
      namedBy.has(field as z.ZodType),
    );
    const shown = Object.keys(resource.schema.shape).filter((field) => !named.some(([one]) => one === field));
    const declared = new Set(["id", ...resource.columns.map(([field]) => field), ...resource.derived]);
    expect(resource.fields.filter((field) => !shown.includes(field))).toEqual([]);
    expect(shown.filter((field) => !declared.has(field))).toEqual([]);
    const view = resource.view(sampleOf(resource, 0));
    const absent = shown.filter((field) => !Object.hasOwn(view as object, field));
    expect(Object.keys(view as object).filter((field) => !shown.includes(field))).toEqual([]);
    expect(absent.filter((field) => !resource.derived.includes(field))).toEqual([]);
  },
);

test.each(named)("%s: what clients send of it is content", (_, resource) => {
  const sent = recordsRoutes
    .filter((doc) => doc.permission === resource.permissions.write && doc.response === resource.schema)
    .flatMap(({ request }) => Object.keys((request as z.ZodObject | undefined)?.shape ?? {}));
  const others = resource.columns.filter(([, { content }]) => !content).map(([field]) => field);
  expect(sent.filter((field) => others.includes(field) && field !== "patientId")).toEqual([]);
});

test.each(named)(
  "%s: an answer is the view, and its event names the content fields",
  async (plural, resource) => {
    const value = await given(resource);
    await service.events();
    const answer = await doctor.get(`/v1/${plural}/${value.id}`);
    expect(answer).toMatchObject({ status: 200, body: resource.view(value) as object });
    const content = resource.columns.filter(([, { content }]) => content).map(([field]) => field);
    expect(await service.events()).toMatchObject([
      { type: `medvault.records.${resource.noun}.read.v1`, data: { fields: content } },
    ]);
  },
);

test.each(named)(
  "%s: each field goes to FHIR, into the element that is declared, and comes back",
  (_, resource) => {
    for (const n of [0, 1, 2, 3, 4, 5, 6]) {
      const value = sampleOf(resource, n, isClaim(resource) ? { status: "draft" } : {});
      const fhir = resource.fhir.write(value, { reference: "Patient/p" });
      const back = resource.fhir.read(fhir, { resolve: () => null })?.make(
        {
          id: value.id,
          rev: 1,
          patientId: newId(),
          createdAt: new Date(),
          updatedAt: new Date(),
          source: null as never,
        },
        newId(),
      );
      expect(back === undefined, JSON.stringify(fhir)).toBe(UNREAD.has(fhir.resourceType));
      for (const [field, column] of resource.columns) {
        if (!column.content || typeof column.fhir !== "string") continue;
        const where = `${resource.noun}.${field}, in ${fhir.resourceType}`;
        const element = column.fhir
          .split(" | ")
          .map((path) => elementAt(fhir, path))
          .find((one) => one !== undefined);
        expect(element, `${where} at ${column.fhir}`).toBeDefined();
        if (!back) continue;
        const [before, after] = [value, back].map((one) => one[field as keyof Row] as unknown);
        if (LABELLED.has(`${resource.noun}.${field}`)) expect(after, where).toContain(before);
        else expect(after, where).toEqual(before);
      }
    }
  },
);

test.each(named)(
  "%s: each field goes to FHIR alone too, where all others that may be missing are",
  (_, resource) => {
    const shape: Record<string, z.ZodType> = resource.schema.shape;
    const optional = resource.fields.filter((field) => shape[field]?.safeParse(null).success);
    for (const field of optional) {
      const column = resource.columns.find(([name]) => name === field)?.[1];
      if (!column?.content || typeof column.fhir !== "string") continue;
      const missing = Object.fromEntries(
        optional.filter((other) => other !== field).map((other) => [other, null]),
      );
      const fhir = resource.fhir.write(sampleOf(resource, 0, missing), { reference: "Patient/p" });
      const elements = column.fhir.split(" | ").map((path) => elementAt(fhir, path));
      expect(
        elements.some((one) => one !== undefined),
        `${resource.noun}.${field} at ${column.fhir}`,
      ).toBe(true);
    }
  },
);

/**
 * What is exported and on import kept as it came: a note is a document there, and an appointment
 * of another place takes nobody's time here.
 */
const UNREAD = new Set(["DocumentReference", "Appointment"]);
/** A text that comes back among words that say what it is: `Value: 7.4 %`. */
const LABELLED = new Set(["record.body"]);
const isClaim = ({ noun }: Resource<Row>) => noun === "claim";

/** What stands at a path, in the first of each list that has it. */
function elementAt(from: unknown, path: string): unknown {
  let at: unknown[] = [from];
  for (const name of path.split(".")) {
    at = at.flatMap((one) => (one as Record<string, unknown> | undefined)?.[name] ?? []);
  }
  return at[0];
}

test("an import counts every resource", () => {
  expect(Object.keys(FhirImportView.shape.stored.shape).sort()).toEqual(
    resources.map(({ plural }) => plural).sort(),
  );
});

const masked = named.filter(([, { columns }]) =>
  columns.some(([, column]) => "mask" in column && column.mask),
);

test.each(masked)(
  "%s: a masked field is masked in what is read, listed and exported",
  async (plural, resource) => {
    const value = await given(resource);
    const patientId = resource.patientOf(value);
    const answers = [
      await doctor.get(`/v1/${plural}/${value.id}`),
      await doctor.get(`/v1/${plural}`),
      await doctor.get(`/v1/fhir/Patient/${patientId}/$everything`),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      for (const [field, column] of resource.columns) {
        const secret = value[field as keyof Row];
        if ("mask" in column && column.mask) expect(JSON.stringify(body), field).not.toContain(secret);
      }
    }
  },
);

/** A row of the resource about a patient of the doctor's. */
async function given<T extends Row>(resource: Resource<T>): Promise<T> {
  const { context } = service;
  const isPatient = (resource as unknown) === patients;
  const patientId = isPatient ? newId() : await givenPatient(doctor);
  const extra = { createdBy: newId(), searchName: "x", integrity: UNSIGNED };
  const own = isPatient ? { id: patientId } : { patientId };
  const value = sampleOf(resource, 0, { ...extra, ...own });
  await inTransaction(context.pool, async (tx) => {
    const { rows } = await tx.query<{ wrapped: Buffer }>(
      "select wrapped from subject_keys where subject_id = $1",
      [patientId],
    );
    const key = rows[0]?.wrapped ?? (await createSubjectKey(tx, context.keyring, patientId));
    const box = resource.table.seal(context.keyring, key, value);
    await insert(tx, context, doctor.actor, resource.permissions.write, resource, [value], [box]);
    if (isPatient) {
      await tx.query(
        "insert into care_team (patient_id, user_id, added_by, added_at) values ($1, $2, $2, now())",
        [patientId, doctor.actor.id],
      );
    }
  });
  return value;
}
