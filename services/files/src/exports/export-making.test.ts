import { randomBytes } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import type { BegunExport, ExportView } from "@medvault/contracts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createReader } from "../../test/archive.ts";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";
import { claimExport } from "./export.store.ts";
import { makeExports } from "./export-making.service.ts";

let files: Files;
let patient: Person;
let patientId: string;
const never = new AbortController().signal;

beforeAll(async () => {
  files = await startFiles({ MEDVAULT_EXPORT_MAX_BYTES: String(2 ** 20) });
});
afterAll(() => files?.stop());
beforeEach(async () => {
  await files.pool.query("delete from exports");
  await files.pool.query("delete from outbox");
  patient = await files.person("patient");
  patientId = files.patientOf(patient);
});

async function begin(of = patientId): Promise<BegunExport> {
  const path = `${files.url}/v1/patients/${of}/export`;
  const answer = await fetch(path, { method: "POST", headers: patient.headers });
  expect(answer.status).toBe(202);
  return (await answer.json()) as BegunExport;
}
const stateOf = async (id: string): Promise<ExportView> =>
  JSON.parse((await get(files, patient, `/v1/exports/${id}`)).bytes.toString());
const add = (bytes: Buffer) =>
  upload(files, patient, form(["patientId", patientId], ["files", bytes, "a.pdf", "application/pdf"]));
const pdf = (bytes: number) => Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(bytes)]);
/** What happens while the record is being read. */
const meanwhile = (onPage: () => Promise<void>) =>
  files.records.charts.set(patientId, { pages: [[], []], log: "time\r\n", onPage });

async function expectNothingLeft(id: string, reason: string): Promise<void> {
  expect(await stateOf(id)).toMatchObject({ state: "failed", reason, expiresAt: null, size: null });
  expect((await files.pool.query("select from export_secrets")).rowCount).toBe(0);
  expect((await files.onDisk()).filter((path) => path.includes("/store/tmp/"))).toEqual([]);
  const failed = (await files.events()).filter(({ type }) => type === "medvault.files.export.failed.v1");
  expect(failed).toMatchObject([{ data: { patientIds: [patientId], decision: { reason } } }]);
}

test("who lost their access while the archive is made gets nothing, and nothing stays", async () => {
  await add(pdf(1_000));
  const { id } = await begin();
  meanwhile(async () => files.revoke(patientId, patient));
  await makeExports(files.context, never);
  await expectNothingLeft(id, "access_lost");
});

test("who lost it once the archive is made cannot fetch it", async () => {
  const { id } = await begin();
  await makeExports(files.context, never);
  files.revoke(patientId, patient);
  expect((await get(files, patient, `/v1/exports/${id}/content`)).status).toBe(404);
});

test("what the patient closes to its person meanwhile is not fetched by them; what was closed before is left out", async () => {
  const doctor = await files.person("doctor");
  files.grant(patientId, doctor);
  const headers = { ...doctor.headers, "X-Purpose": "TREAT" };
  const url = `${files.url}/v1/patients/${patientId}/export`;
  const made = async () => {
    const { id } = (await (await fetch(url, { method: "POST", headers })).json()) as BegunExport;
    await makeExports(files.context, never);
    return id;
  };
  files.close(patientId, "prescription/*");
  const first = await made();
  files.close(patientId, "prescription/*", `record/${patientId}`);
  expect((await get(files, doctor, `/v1/exports/${first}/content`)).status).toBe(410);
  expect((await files.pool.query("select from export_secrets")).rowCount).toBe(0);
  const ended = (await files.events()).find(({ type }) => type === "medvault.files.export.expired.v1");
  expect(ended?.data).toMatchObject({ actor: null, decision: { reason: "closed" } });
  const second = await made();
  files.close(patientId);
  expect((await get(files, doctor, `/v1/exports/${second}/content`)).status).toBe(200);
});

test("an archive without the parts that are closed to its person says so, and not which", async () => {
  const readme = async () => {
    const { id, password } = await begin();
    await makeExports(files.context, never);
    const { bytes } = await get(files, patient, `/v1/exports/${id}/content`);
    return createReader(bytes, password).text("README.txt");
  };
  expect(await readme()).not.toContain("closed");
  files.close(patientId, "prescription/*");
  const text = await readme();
  expect(text).toContain("Parts of the record were closed to them: these are not in it.");
  expect(text.match(/prescription/g)).toHaveLength(1); // of what a record may hold
});

test("an account that is disabled meanwhile ends its exports", async () => {
  const { id } = await begin();
  files.records.disabled.add(patient.id);
  await makeExports(files.context, never);
  await expectNothingLeft(id, "access_lost");
});

test("a patient erased while the archive is made ends it: no row, no bytes, no key", async () => {
  const { id } = await begin();
  const kept = (await files.onDisk()).length;
  // What an erasure does here: one delete.
  meanwhile(async () => {
    await files.pool.query("delete from exports where patient_ids && array[$1::uuid]", [patientId]);
  });
  await makeExports(files.context, never);
  expect((await get(files, patient, `/v1/exports/${id}`)).status).toBe(404);
  expect(await files.onDisk()).toHaveLength(kept);
  expect((await files.pool.query("select from export_secrets")).rowCount).toBe(0);
});

test("an export whose process was killed is made from its beginning by the next, and by one alone", async () => {
  await add(pdf(1_000));
  const { id } = await begin();
  expect(await claimExport(files.pool, crypto.randomUUID(), 60_000)).toMatchObject({ id, attempts: 1 });
  await makeExports(files.context, never);
  expect(await stateOf(id)).toMatchObject({ state: "running" });
  await files.pool.query("update exports set leased_until = now() - interval '1 second'"); // it says nothing any more
  await Promise.all([makeExports(files.context, never), makeExports(files.context, never)]);
  expect(await stateOf(id)).toMatchObject({ state: "ready" });
  const made = (await files.events()).filter(({ type }) => type === "medvault.files.export.made.v1");
  expect(made).toHaveLength(1);
});

test("one that ends each process that makes it is given up", async () => {
  const { id } = await begin();
  await files.pool.query("update exports set attempts = 5");
  await makeExports(files.context, never);
  await expectNothingLeft(id, "internal");
});

test("a drain gives it back at once, and nothing half made stays", async () => {
  const { id } = await begin();
  const drain = new AbortController();
  meanwhile(async () => drain.abort());
  await makeExports(files.context, drain.signal);
  expect(await stateOf(id)).toMatchObject({ state: "queued" });
  expect((await files.onDisk()).filter((path) => path.includes("/store/tmp/"))).toEqual([]);
  await makeExports(files.context, never);
  expect(await stateOf(id)).toMatchObject({ state: "ready" });
});

test("two are made at once, each of its own patient", async () => {
  const other = files.patientOf(patient);
  const [one, two] = [await begin(), await begin(other)];
  await Promise.all([makeExports(files.context, never), makeExports(files.context, never)]);
  for (const [{ id, password }, of] of [
    [one, patientId],
    [two, other],
  ] as const) {
    const { bytes } = await get(files, patient, `/v1/exports/${id}/content`);
    expect(JSON.parse(await createReader(bytes, password).text("manifest.json"))).toMatchObject({
      patientId: of,
    });
  }
});

test("an archive that would be larger than the operator allows is not made", async () => {
  for (let n = 0; n < 4; n += 1) await add(pdf(290_000));
  const { id } = await begin();
  await makeExports(files.context, never);
  await expectNothingLeft(id, "too_large");
});

test("a damaged file does not keep the others from their owner", async () => {
  const [good, cut, rotten] = [pdf(40_000), pdf(40_000), pdf(80_000)];
  for (const one of [good, cut, rotten]) await add(one);
  const { rows } = await files.pool.query<{ blob: string }>(
    "select blob from files where patient_id = $1 order by id",
    [patientId],
  );
  const pathOf = (at: number) => `${files.store}/blobs/${rows[at]?.blob.slice(0, 2)}/${rows[at]?.blob}`;
  await writeFile(pathOf(1), "not a blob");
  const handle = await open(pathOf(2), "r+");
  await handle.write(Buffer.alloc(100), 0, 100, 30_000); // in its second chunk
  await handle.close();
  const { id, password } = await begin();
  await makeExports(files.context, never);
  const { bytes } = await get(files, patient, `/v1/exports/${id}/content`);
  const reader = createReader(bytes, password);
  const index = JSON.parse(await reader.text("files/index.json"));
  expect(index).toMatchObject([
    { entry: "files/0001.pdf" },
    { entry: null, note: "damaged" },
    { entry: "files/0003.pdf", note: "damaged" },
  ]);
  expect(await reader.bytes("files/0001.pdf")).toEqual(good);
  const partly = await reader.bytes("files/0003.pdf");
  expect(partly).toHaveLength(rotten.length);
  expect(partly.subarray(0, 16_384)).toEqual(rotten.subarray(0, 16_384));
  expect(await reader.text("README.txt")).toContain("2 of them could not be read in full");
});

test("staff who may not read the log get the archive without it, and it says so", async () => {
  const doctor = await files.person("doctor");
  files.grant(patientId, doctor);
  const headers = { ...doctor.headers, "X-Purpose": "TREAT" };
  const answer = await fetch(`${files.url}/v1/patients/${patientId}/export`, { method: "POST", headers });
  const { id, password } = (await answer.json()) as BegunExport;
  await makeExports(files.context, never);
  const { bytes } = await get(files, doctor, `/v1/exports/${id}/content`);
  const reader = createReader(bytes, password);
  expect(JSON.parse(await reader.text("manifest.json"))).toMatchObject({ accessLog: false, masked: [] });
  expect(await reader.names()).not.toContain("who-looked.csv");
});
