import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../dev/lib/paths.mjs";
import { run } from "../dev/lib/run.mjs";
import { freshAdmin } from "./support/admin.ts";
import { Client, type Json, signIn, stepUp } from "./support/client.ts";
import { bodyFields } from "./support/openapi.ts";
import { asSuperuser, ops as readOps } from "./support/ops.ts";
import { invite, items, type Person, registerPatient, text } from "./support/people.ts";
import type { Ops } from "./support/system.ts";
import { writeOn } from "./support/writer.ts";

const FIXTURES = path.join(root, "e2e/fixtures/fhir");
const SYNTHEA = path.resolve(root, "../shared/data/fhir/synthea_r4");

/** A small real PDF: readers open it, and its content fits its name. */
const PDF = Buffer.from(
  `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj
xref
0 4
0000000000 65535 f
0000000009 00000 n
0000000054 00000 n
0000000105 00000 n
trailer<</Size 4/Root 1 0 R>>
startxref
168
%%EOF
`,
);

let ops: Ops;
let admin: Client;
let adminSecrets: { password: string; totpSecret: string };
let doctor: Person;
let otherDoctor: Person;
let auditor: Person;
let patient: Person;
let otherPatient: Person;
let prescription: Json;
let fileId: string;
let ownPatientId: string;
let work: string;
/** Request ids of all acts, by a description: the auditor looks for each of them. */
const done = new Map<string, { requestId: string; type: RegExp }>();

beforeAll(async () => {
  ops = readOps();
  work = await mkdtemp(path.join(tmpdir(), "medvault-journey-"));
});
afterAll(() => rm(work, { recursive: true, force: true }));

const key = () => ({ "idempotency-key": randomUUID() });
/** What the log has of a request. */
const eventsOf = async (requestId: string) =>
  items((await auditor.client.get(`/v1/audit/events?requestId=${requestId}`)).body);
const typesOf = async (requestId: string) => (await eventsOf(requestId)).map(({ type }) => String(type));

test("1. an admin invites two doctors and an auditor, and patients register", async () => {
  const signedIn = await freshAdmin(ops);
  admin = signedIn.client;
  adminSecrets = signedIn;
  doctor = await invite(ops, admin, "doctor");
  otherDoctor = await invite(ops, admin, "doctor");
  auditor = await invite(ops, admin, "auditor");
  patient = await registerPatient(ops);
  otherPatient = await registerPatient(ops);
  const me = await doctor.client.get("/v1/auth/me");
  expect(me).toMatchObject({
    status: 200,
    body: { id: doctor.id, username: doctor.username, role: "doctor" },
  });
});

test("2. the doctor signs in with password and TOTP, and with the password alone gets no tokens", async () => {
  const passwordOnly = await new Client(ops.gateway).post("/v1/auth/login", {
    identifier: doctor.email,
    password: doctor.password,
  });
  expect(passwordOnly.body).toMatchObject({ mfaRequired: true });
  expect(passwordOnly.body).not.toHaveProperty("accessToken");
  doctor.client = await signIn(ops.gateway, doctor);
});

test("3. the doctor imports FHIR bundles whole, and a second time nothing is stored twice", async () => {
  const bundles = (await readdir(FIXTURES)).map((name) => path.join(FIXTURES, name));
  if (existsSync(SYNTHEA)) {
    bundles.push(...(await readdir(SYNTHEA)).map((name) => path.join(SYNTHEA, name)));
  }
  expect(bundles.length).toBeGreaterThanOrEqual(2);
  const env = { MEDVAULT_TOKEN: doctor.client.token ?? "" };
  const args = ["tools/import.ts", "--gateway", ops.gateway, "--json", ...bundles];
  const first = await command(args, env);
  expect(first, first.words).toMatchObject({ code: 0 });
  const before = await countAll(doctor.client);
  expect(before.patients).toBeGreaterThanOrEqual(existsSync(SYNTHEA) ? 15 : 2);
  expect(before.prescriptions).toBeGreaterThanOrEqual(existsSync(SYNTHEA) ? 53 : 2);

  const second = await command(args, env);
  expect(second, second.words).toMatchObject({ code: 0 });
  expect(await countAll(doctor.client)).toEqual(before);
}, 120_000);

test("4. the doctor finds a prescription by part of a name or medication, reads it, notes, attaches a PDF", async () => {
  const made = await doctor.client.post(
    "/v1/patients",
    {
      givenName: "Wilhelmina",
      familyName: "Quartermaine",
      birthDate: "1957-03-02",
      sex: "female",
      userId: patient.id,
    },
    key(),
  );
  expect(made.status).toBe(201);
  note("patient created", made.requestId, /patient\.created/);
  ownPatientId = text(made.body, "id");
  const prescribed = await doctor.client.post(
    "/v1/prescriptions",
    {
      patientId: ownPatientId,
      medication: "Clopidogrel 75 MG Oral Tablet",
      dosage: "1 tablet",
      startDate: "2026-11-01",
      status: "active",
    },
    key(),
  );
  expect(prescribed.status).toBe(201);
  note("prescribed", prescribed.requestId, /prescription\.(created|prescribed)/);
  const id = text(prescribed.body, "id");

  for (const q of ["pidogr", "quarterm", "WILHELM"]) {
    const found = await doctor.client.post("/v1/prescriptions/search", { q, patientId: ownPatientId });
    expect(found.status).toBe(200);
    expect(items(found.body).map((item) => item.id)).toEqual([id]);
    note(`searched ${q}`, found.requestId, /prescription\.searched/);
  }
  const nothing = await doctor.client.post("/v1/prescriptions/search", { q: "zzqqxx" });
  expect(items(nothing.body)).toEqual([]);

  const read = await doctor.client.get(`/v1/prescriptions/${id}`);
  expect(read.status).toBe(200);
  note("read", read.requestId, /prescription\.read/);

  const noted = await doctor.client.put(
    `/v1/prescriptions/${id}`,
    {
      patientId: ownPatientId,
      medication: read.body.medication,
      dosage: read.body.dosage,
      startDate: read.body.startDate,
      status: read.body.status,
      notes: "BP <120; take with O'Brien's juice -- SELECT one",
    },
    { "if-match": read.headers.get("etag") ?? "" },
  );
  expect(noted.status).toBe(200);
  note("noted", noted.requestId, /prescription\.(updated|changed)/);
  const stale = await doctor.client.put(
    `/v1/prescriptions/${id}`,
    { ...putBody(noted.body), notes: "stale" },
    { "if-match": read.headers.get("etag") ?? "" },
  );
  expect(stale).toMatchObject({ status: 412, body: { code: "version_conflict" } });

  const form = new FormData();
  form.set("patientId", ownPatientId);
  form.set("attachTo", `prescription/${id}`);
  form.append("files", new Blob([PDF], { type: "application/pdf" }), "Überweisung Quartermaine.pdf");
  const uploaded = await doctor.client.call("POST", "/v1/files", {
    form,
    headers: key(),
  });
  expect(uploaded.status, JSON.stringify(uploaded.body)).toBe(201);
  note("uploaded", uploaded.requestId, /file\.stored/);
  const file = items(uploaded.body)[0] as Json;
  fileId = text(file, "id");
  expect(file).toMatchObject({ size: PDF.length, sha256: createHash("sha256").update(PDF).digest("hex") });

  await readsAsBefore();
  const list = await doctor.client.get(`/v1/files?patientId=${ownPatientId}&attachedTo=prescription/${id}`);
  expect(items(list.body).map((item) => item.id)).toEqual([fileId]);
  prescription = (await doctor.client.get(`/v1/prescriptions/${id}`)).body;
});

test("5. another doctor and another patient are refused, and cannot see what exists and what does not", async () => {
  const id = text(prescription, "id");
  for (const stranger of [otherDoctor, otherPatient]) {
    for (const [method, existing, absent, body] of [
      ["GET", `/v1/prescriptions/${id}`, `/v1/prescriptions/${randomUUID()}`],
      ["GET", `/v1/patients/${ownPatientId}`, `/v1/patients/${randomUUID()}`],
      ["GET", `/v1/patients/${ownPatientId}/records`, `/v1/patients/${randomUUID()}/records`],
      ["GET", `/v1/files/${fileId}`, `/v1/files/${randomUUID()}`],
      ["GET", `/v1/files/${fileId}/content`, `/v1/files/${randomUUID()}/content`],
      ["PUT", `/v1/prescriptions/${id}`, `/v1/prescriptions/${randomUUID()}`, putBody(prescription)],
      ["DELETE", `/v1/prescriptions/${id}`, `/v1/prescriptions/${randomUUID()}`],
    ] as const) {
      const refused = await stranger.client.call(method, existing, body ? { body } : {});
      const unknown = await stranger.client.call(method, absent, body ? { body } : {});
      expect([403, 404]).toContain(refused.status);
      expect(withoutTrace(refused.body), `${method} ${existing}`).toEqual(withoutTrace(unknown.body));
      note(`${stranger.username} ${method} ${existing}`, refused.requestId, /./);
    }
  }
  const found = await otherDoctor.client.post("/v1/prescriptions/search", { q: "pidogr" });
  expect(items(found.body)).toEqual([]);
  const own = await patient.client.get(`/v1/prescriptions/${id}`);
  expect(own).toMatchObject({ status: 200, body: { id } });
  await readsAsBefore();
});

test("5b. what the doctor is refused is an act too", async () => {
  const { client } = doctor;
  for (const [sent, status, type] of [
    [await client.get("/v1/prescriptions?status=%27%20OR%20%271%27%3D%271"), 400, /screening\.hit/],
    [await client.get("/v1/prescriptions?status=1&status=2"), 400, /request_malformed/],
    [await client.post("/v1/patients", { givenName: 1 }), 400, /request\.refused/],
    [await client.get("/v1/no-such-thing"), 404, /request\.refused/],
  ] as const) {
    expect(sent.status).toBe(status);
    note(`refused (${type.source})`, sent.requestId, type);
    await expect
      .poll(() => eventsOf(sent.requestId), { timeout: 15_000 })
      .toMatchObject([
        { actor: { id: doctor.id, role: "doctor" }, outcome: "denied", requestId: sent.requestId },
      ]);
  }
});

test("6. the auditor finds every act by its request id and checks a proof with the standalone verifier", async () => {
  let event: Json = {};
  for (const [what, { requestId, type }] of done) {
    await expect
      .poll(() => typesOf(requestId), {
        message: `${what} (${requestId}) stands in the log`,
        timeout: 15_000,
      })
      .toContainEqual(expect.stringMatching(type));
    if (what === "read") event = (await eventsOf(requestId))[0] as Json;
  }
  expect(event).toMatchObject({ outcome: "success", patientId: ownPatientId });
  await proofHolds(text(event, "id"));

  const denied = await doctor.client.get("/v1/audit/events");
  expect(denied).toMatchObject({ status: 403, body: { code: "forbidden" } });
  const noPhi = await auditor.client.get(`/v1/patients/${ownPatientId}`);
  expect([403, 404]).toContain(noPhi.status);
}, 90_000);

test("7. a backup undoes damage in place, and the log keeps what came after it", async () => {
  const before = await snapshotOfAll();
  const made = await admin.post("/v1/backups", {}, key());
  expect(made.status).toBe(202);
  const backupId = text(made.body, "id");
  await expect
    .poll(async () => (await admin.get(`/v1/backups/${backupId}`)).body.state, { timeout: 60_000 })
    .toBe("complete");

  const late = await doctor.client.get(`/v1/prescriptions/${text(prescription, "id")}`);
  await damage();
  const broken = await doctor.client.get(`/v1/prescriptions/${text(prescription, "id")}`);
  expect(broken).toMatchObject({ status: 409, body: { code: "row_damaged" } });
  note("damage met", broken.requestId, /records\.prescription\.damaged/);

  const writer = writeOn(otherDoctor.client);
  await stepUp(admin, adminSecrets);
  const restore = await admin.post(`/v1/backups/${backupId}/restore`, {}, key());
  expect(restore.status, JSON.stringify(restore.body)).toBe(202);
  await expect
    .poll(async () => ((await admin.get(`/v1/backups/${backupId}`)).body.restore as Json | null)?.state, {
      timeout: 90_000,
    })
    .toBe("complete");

  // The next job waits for the first to end, which it must do by itself.
  await admin.post(`/v1/backups/${backupId}/restore-preview`, {}, key());
  await expect
    .poll(async () => ((await admin.get(`/v1/backups/${backupId}`)).body.preview as Json | null)?.state, {
      timeout: 60_000,
    })
    .toBe("complete");

  await writer.stop();
  await readsAsBefore();
  expect(await snapshotOfAll()).toEqual(before);
  await writer.foundAgain();
  for (const requestId of [late.requestId, broken.requestId, restore.requestId]) {
    await expect.poll(() => typesOf(requestId), { timeout: 15_000 }).not.toEqual([]);
  }
  await noSequenceTwice();
}, 240_000);

/** What the later steps compare: everything that the doctor can read of what the journey made. */
async function snapshotOfAll(): Promise<unknown> {
  return {
    counts: await countAll(doctor.client),
    prescription: (await doctor.client.get(`/v1/prescriptions/${text(prescription, "id")}`)).body,
    patient: (await doctor.client.get(`/v1/patients/${ownPatientId}`)).body,
    found: items(
      (await doctor.client.post("/v1/prescriptions/search", { q: "pidogr", limit: 100 })).body,
    ).map((item) => item.id),
  };
}

async function readsAsBefore(): Promise<void> {
  const content = await doctor.client.get(`/v1/files/${fileId}/content`);
  expect(content.status).toBe(200);
  expect(content.raw.equals(PDF)).toBe(true);
  const slice = await doctor.client.get(`/v1/files/${fileId}/content`, { range: "bytes=9-20" });
  expect(slice.status).toBe(206);
  expect(slice.raw.equals(PDF.subarray(9, 21))).toBe(true);
}

/** Runs one of the project's commands to its end. */
const command = (args: string[], env: Record<string, string> = {}) =>
  run(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });

/** How many patients and prescriptions the caller can page through. */
async function countAll({ api }: Client): Promise<{ patients: number; prescriptions: number }> {
  const query = { limit: 100 };
  const count = async (list: AsyncIterable<unknown>) => (await Array.fromAsync(list)).length;
  return {
    patients: await count(api.items("GET /v1/patients", { query })),
    prescriptions: await count(api.items("GET /v1/prescriptions", { query })),
  };
}

/** What an attacker with the superuser's password and the disk can damage: rows and files. */
async function damage(): Promise<void> {
  await asSuperuser(
    `update records.prescriptions set sealed = decode('00', 'hex');
     delete from records.medical_records;
     delete from files.files`,
  );
  for (const entry of await readdir(ops.dirs.files, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) await rm(path.join(entry.parentPath, entry.name));
  }
}

/** The proof of one event, checked by the program that shares no code with the log's writer. */
async function proofHolds(eventId: string): Promise<void> {
  const proof = await auditor.client.get(`/v1/audit/events/${eventId}/proof`);
  expect(proof.status, JSON.stringify(proof.body)).toBe(200);
  const file = path.join(work, "proof.json");
  await writeFile(file, proof.raw);
  const key = path.join(ops.dirs.data, "audit/audit.vkey");
  const checked = await command(["tools/verify-proof.mjs", "--key", key, file]);
  expect(checked, checked.out + checked.words).toMatchObject({ code: 0 });

  const forged = { ...proof.body, canonicalEvent: Buffer.from('{"id":"forged"}').toString("base64") };
  await writeFile(file, JSON.stringify(forged));
  expect((await command(["tools/verify-proof.mjs", "--key", key, file])).code).toBe(1);
}

async function noSequenceTwice(): Promise<void> {
  const answer = await auditor.client.get("/v1/audit/completeness");
  expect(answer.status).toBe(200);
  const producers = (answer.body.items ?? answer.body.producers) as Json[];
  expect(producers.length).toBeGreaterThanOrEqual(5);
  for (const producer of producers) expect(producer, JSON.stringify(producer)).toMatchObject({ gaps: [] });
  const verified = await auditor.client.post("/v1/audit/verify");
  expect(verified).toMatchObject({ status: 200, body: { ok: true } });
}

function note(what: string, requestId: string, type: RegExp): void {
  expect(requestId).not.toBe("");
  done.set(what, { requestId, type });
}

/** Of a prescription as it is shown, the fields that a PUT takes: those of the OpenAPI document. */
function putBody(view: Json): Json {
  const names = Object.keys(bodyFields("PUT", "/v1/prescriptions/{id}"));
  const entries = names.map((name) => [name, view[name] ?? null] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** A problem without what differs from request to request. */
function withoutTrace(problem: Json): Json {
  const { requestId: _requestId, instance: _instance, ...rest } = problem;
  return rest;
}
