import { randomUUID } from "node:crypto";
import { BOX_OVERHEAD_BYTES, paddedLengths } from "@medvault/crypto";
import { ddl } from "@medvault/postgres";
import { expect, test } from "vitest";
import { exampleBundles } from "../test/examples.ts";
import { ASPIRIN, givenPatient, givenPrescription, startRecords } from "../test/harness.ts";
import { service as declaration } from "./service.ts";

const PADDED = new Set(paddedLengths().map((length) => length + BOX_OVERHEAD_BYTES));

test("threat: no box of any table, and no kept answer, has a length that tells what is in it", async () => {
  const service = await startRecords();
  const doctor = service.someone("doctor", { purpose: "TREAT" });
  const [, bundle] = exampleBundles()[0] ?? [];
  expect((await doctor.post("/v1/fhir", bundle)).status).toBe(200);
  const patientId = await givenPatient(doctor);
  const prescriptionId = await givenPrescription(doctor, patientId, { medication: "Yaz 28 Day Pack" });
  const longer = { ...ASPIRIN, patientId, medication: `${"Dextromethorphan ".repeat(12)}Oral Solution` };
  const headers = { "idempotency-key": randomUUID() };
  expect((await doctor.post("/v1/prescriptions", longer, { headers })).status).toBe(201);
  expect((await doctor.put(`/v1/prescriptions/${prescriptionId}`, longer)).status).toBe(200);
  const note = { type: "note", title: "A visit", body: "x".repeat(3_000) };
  const record = await doctor.post<{ id: string }>(`/v1/patients/${patientId}/records`, note);
  expect((await doctor.put(`/v1/records/${record.body.id}`, note)).status).toBe(200);
  const { signal } = new AbortController();
  // The check of rows asks the audit service, and seals nothing.
  const jobs = (declaration.jobs?.(service.context) ?? []).filter(({ name }) => name !== "row-check");
  for (const { run } of jobs) await run({ signal });

  const { rows: columns } = await service.pool.query<Record<"schema" | "table" | "column", string>>(
    `select table_schema as schema, table_name as table, column_name as column from information_schema.columns
      where table_schema in ('records', 'records_sys') and column_name in ('sealed', 'answer')`,
  );
  const seen: string[] = [];
  for (const { schema, table, column } of columns) {
    const { rows } = await service.pool.query<{ length: number }>(
      ddl("select octet_length(%I) as length from %I.%I where %I is not null", column, schema, table, column),
    );
    for (const { length } of rows) expect(PADDED, `${table}: ${length} bytes`).toContain(length);
    if (rows.length > 0) seen.push(table);
  }
  expect(seen.sort()).toEqual([
    ...["claims", "fhir_resources", "idempotency_keys", "medical_record_versions", "medical_records"],
    ...["patients", "prescriptions", "row_versions", "search_documents"],
  ]);
  await service.close();
});
