import { randomBytes, randomUUID } from "node:crypto";
import path from "node:path";
import { expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import type { Json } from "./support/client.ts";
import { bodyFields, isFreeText } from "./support/openapi.ts";
import { asSuperuser, ops as readOps } from "./support/ops.ts";
import { invite, items, text } from "./support/people.ts";
import { search } from "./support/plaintext-search.ts";

/** A word of 12 letters that is nowhere else, and that no encoding of something else makes. */
function marker(): string {
  return Array.from(randomBytes(12), (byte) => String.fromCharCode(97 + (byte % 26))).join("");
}

test("text that went in (fields, file names, contents) lies readable in no store, whatever the encoding", async () => {
  const ops = readOps();
  const { client: admin } = await freshAdmin(ops);
  const doctor = await invite(ops, admin, "doctor");
  const marks: string[] = [];
  const mark = () => {
    const made = marker();
    marks.push(made);
    return made;
  };
  const key = () => ({ "idempotency-key": randomUUID() });
  /** Creates a resource with a marker in each documented text field, also in future ones. */
  const create = async (operation: string, body: Json, path = operation) => {
    const fields = Object.entries(bodyFields("POST", operation)).filter(([, field]) => isFreeText(field));
    const texts = Object.fromEntries(fields.map(([name]) => [name, mark()]));
    const made = await doctor.client.post(path, { ...texts, ...body }, key());
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    return { id: text(made.body, "id"), texts };
  };

  const { id: patientId } = await create("/v1/patients", { birthDate: "1961-07-09", sex: "female" });
  await create(
    "/v1/patients/{id}/records",
    { type: "note", occurredAt: "2026-11-01T10:00:00Z" },
    `/v1/patients/${patientId}/records`,
  );
  const prescription = await create("/v1/prescriptions", {
    patientId,
    startDate: "2026-11-01",
    status: "active",
  });
  await create("/v1/claims", { patientId, providerId: doctor.id, amount: 12_500, currency: "EUR" });
  const imported = await doctor.client.post("/v1/fhir", bundle(mark(), mark()), key());
  expect(imported.status, JSON.stringify(imported.body)).toBeLessThan(300);

  const form = new FormData();
  form.set("patientId", patientId);
  form.append("files", new Blob([`note ${mark()}\n`.repeat(3000)]), `${mark()}.txt`);
  const uploaded = await doctor.client.call("POST", "/v1/files", { form, headers: key() });
  expect(uploaded.status, JSON.stringify(uploaded.body)).toBe(201);

  // What was searched for, and what was refused, must not be kept either.
  const [searched, medication] = [mark(), prescription.texts.medication];
  for (const q of [searched, medication]) {
    expect((await doctor.client.post("/v1/prescriptions/search", { q })).status).toBe(200);
  }
  await doctor.client.post("/v1/patients", { givenName: searched, wrong: searched });
  await doctor.client.post("/v1/auth/login", { identifier: searched, password: searched });
  const read = await doctor.client.get(`/v1/prescriptions/${prescription.id}`);
  const { code, ...texts } = prescription.texts;
  expect(read.body).toMatchObject({ ...texts, code: { code } });

  const backup = await admin.post("/v1/backups", {}, key());
  expect(backup.status).toBe(202);
  await expect
    .poll(async () => (await admin.get(`/v1/backups/${text(backup.body, "id")}`)).body.state, {
      timeout: 60_000,
    })
    .toBe("complete");
  await asSuperuser("checkpoint"); // rows that are only in memory

  const { data, postgres, files, backups, logs } = ops.dirs;
  const roots = [
    postgres,
    files,
    backups,
    logs,
    ...["redis", "rabbitmq", "audit"].map((d) => path.join(data, d)),
  ];
  const { findings, bytes } = await search(roots, marks);
  expect(findings).toEqual([]);
  expect(bytes).toBeGreaterThan(1_000_000);

  // The search itself works: the name of a role is no secret, and is in Postgres' files.
  const control = await search([postgres], ["medvault_records"]);
  expect(control.findings.length).toBeGreaterThan(0);
  expect(items((await doctor.client.get(`/v1/files?patientId=${patientId}`)).body)).toHaveLength(1);
}, 240_000);

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
