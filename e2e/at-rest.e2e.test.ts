import { randomBytes, randomUUID } from "node:crypto";
import path from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { search } from "./support/needles.ts";
import { ops as readOps } from "./support/ops.ts";
import { demoAdmin, invite, items, text } from "./support/people.ts";

/** A word of 12 letters that stands nowhere else and that no encoding of something else makes by chance. */
function marker(): string {
  return Array.from(randomBytes(12), (byte) => String.fromCharCode(97 + (byte % 26))).join("");
}

test("names, notes, file names and contents that went in lie readable in no store, whatever the encoding", async () => {
  const ops = readOps();
  const { client: admin } = await demoAdmin(ops);
  const doctor = await invite(ops, admin, "doctor");
  const marks = {
    givenName: marker(),
    familyName: marker(),
    nationalId: marker(),
    address: marker(),
    title: marker(),
    body: marker(),
    medication: marker(),
    notes: marker(),
    fileName: marker(),
    fileContent: marker(),
    diagnosis: marker(),
    searched: marker(),
    fhirName: marker(),
    fhirKept: marker(),
  };
  const key = () => ({ "idempotency-key": randomUUID() });

  const patient = await doctor.client.post(
    "/v1/patients",
    {
      givenName: marks.givenName,
      familyName: marks.familyName,
      nationalId: marks.nationalId,
      address: marks.address,
      birthDate: "1961-07-09",
      sex: "female",
    },
    key(),
  );
  expect(patient.status, JSON.stringify(patient.body)).toBe(201);
  const patientId = text(patient.body, "id");
  const record = await doctor.client.post(
    `/v1/patients/${patientId}/records`,
    { type: "note", title: marks.title, body: marks.body, occurredAt: "2026-11-01T10:00:00Z" },
    key(),
  );
  expect(record.status, JSON.stringify(record.body)).toBe(201);
  const prescription = await doctor.client.post(
    "/v1/prescriptions",
    {
      patientId,
      medication: marks.medication,
      dosage: "1",
      notes: marks.notes,
      startDate: "2026-11-01",
      status: "active",
    },
    key(),
  );
  expect(prescription.status, JSON.stringify(prescription.body)).toBe(201);
  const claim = await doctor.client.post(
    "/v1/claims",
    {
      patientId,
      providerId: doctor.id,
      diagnosisCode: "I10",
      diagnosis: marks.diagnosis,
      treatment: "rest",
      amount: 12_500,
      currency: "EUR",
    },
    key(),
  );
  expect(claim.status, JSON.stringify(claim.body)).toBe(201);
  const imported = await doctor.client.post("/v1/fhir", bundle(marks.fhirName, marks.fhirKept), key());
  expect(imported.status, JSON.stringify(imported.body)).toBeLessThan(300);

  const form = new FormData();
  form.set("patientId", patientId);
  form.append("files", new Blob([`note ${marks.fileContent}\n`.repeat(3000)]), `${marks.fileName}.txt`);
  const uploaded = await doctor.client.call("POST", "/v1/files", { form, headers: key() });
  expect(uploaded.status, JSON.stringify(uploaded.body)).toBe(201);

  // What was searched for, and what was refused, must not be kept either.
  for (const q of [marks.searched, marks.medication]) {
    expect((await doctor.client.post("/v1/prescriptions/search", { q })).status).toBe(200);
  }
  await doctor.client.post("/v1/patients", { givenName: marks.searched, wrong: marks.searched });
  await doctor.client.post("/v1/auth/login", { identifier: marks.searched, password: marks.searched });
  const read = await doctor.client.get(`/v1/prescriptions/${text(prescription.body, "id")}`);
  expect(read.body).toMatchObject({ medication: marks.medication, notes: marks.notes });

  const backup = await admin.post("/v1/backups", {}, key());
  expect(backup.status).toBe(202);
  await expect
    .poll(async () => (await admin.get(`/v1/backups/${text(backup.body, "id")}`)).body.state, {
      timeout: 60_000,
    })
    .toBe("complete");
  await flushPostgres(ops.postgres.superuser);

  const { data, postgres, files, backups, logs } = ops.dirs;
  const roots = [
    postgres,
    files,
    backups,
    logs,
    ...["redis", "rabbitmq", "audit"].map((d) => path.join(data, d)),
  ];
  const { findings, bytes } = await search(roots, Object.values(marks));
  expect(findings).toEqual([]);
  expect(bytes).toBeGreaterThan(1_000_000);

  // The search itself can find: the name of a role is no secret and stands in Postgres' files.
  const control = await search([postgres], ["medvault_records"]);
  expect(control.findings.length).toBeGreaterThan(0);
  expect(items((await doctor.client.get(`/v1/files?patientId=${patientId}`)).body)).toHaveLength(1);
}, 240_000);

/** Rows go from memory to the data files, so that the search reads them there as well as in the WAL. */
async function flushPostgres(superuser: string): Promise<void> {
  const client = new pg.Client({ connectionString: superuser });
  await client.connect();
  await client.query("checkpoint");
  await client.end();
}

function bundle(name: string, kept: string): unknown {
  const patient = `urn:uuid:${randomUUID()}`;
  return {
    resourceType: "Bundle",
    type: "transaction",
    entry: [
      {
        fullUrl: patient,
        resource: {
          resourceType: "Patient",
          name: [{ family: name, given: [name] }],
          gender: "female",
          birthDate: "1950-01-01",
        },
        request: { method: "POST", url: "Patient" },
      },
      {
        fullUrl: `urn:uuid:${randomUUID()}`,
        resource: {
          resourceType: "Goal",
          lifecycleStatus: "active",
          description: { text: kept },
          subject: { reference: patient },
        },
        request: { method: "POST", url: "Goal" },
      },
    ],
  };
}
