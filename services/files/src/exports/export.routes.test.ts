import { createHash, randomBytes } from "node:crypto";
import { type BegunExport, type ExportView, newId } from "@medvault/contracts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createReader } from "../../test/archive.ts";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";
import { PDF, PNG } from "../files/content.testdata.ts";
import { expireDue } from "./export.jobs.ts";
import { makeExports } from "./export-making.service.ts";

let files: Files;
let patient: Person;
let patientId: string;
const running = new AbortController().signal;

beforeAll(async () => {
  files = await startFiles();
});
afterAll(() => files?.stop());
beforeEach(async () => {
  await files.pool.query("delete from exports");
  await files.pool.query("delete from outbox");
  patient = await files.person("patient");
  patientId = files.patientOf(patient);
});

async function call<T>(who: Person, method: string, path: string, body?: object, headers = {}) {
  const answer = await fetch(`${files.url}${path}`, {
    method,
    headers: { ...who.headers, "content-type": "application/json", ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: (text ? JSON.parse(text) : undefined) as T };
}
const begin = (who: Person, body?: object, headers = {}) =>
  call<BegunExport & { code?: string }>(who, "POST", `/v1/patients/${patientId}/export`, body, headers);
const stateOf = async (id: string, who = patient) =>
  (await call<ExportView>(who, "GET", `/v1/exports/${id}`)).body;
const make = () => makeExports(files.context, running);
const download = (id: string, who = patient) => get(files, who, `/v1/exports/${id}/content`);

async function made(): Promise<BegunExport> {
  const begun = await begin(patient);
  expect(begun.status).toBe(202);
  await make();
  expect(await stateOf(begun.body.id)).toMatchObject({ state: "ready", percent: 100 });
  return begun.body;
}

async function entriesOf(zip: Buffer, password: string): Promise<Map<string, Buffer>> {
  const reader = createReader(zip, password);
  expect(await reader.areEncrypted()).toBe(true);
  const entries = new Map<string, Buffer>();
  for (const name of await reader.names()) entries.set(name, await reader.bytes(name));
  return entries;
}
const textIn = (entries: Map<string, Buffer>, name: string): string => entries.get(name)?.toString() ?? "";
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const types = async () =>
  (await files.events()).map(({ type }) => type.replace("medvault.files.export.", ""));

test("a patient takes away the whole record as one archive, which another program opens", async () => {
  const large = Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(200_000)]);
  await upload(
    files,
    patient,
    form(
      ["patientId", patientId],
      ["files", PNG, "Röntgen.PNG", "image/png"],
      ["files", large, "report.pdf", "application/pdf"],
    ),
  );
  const pages = [[{ resourceType: "Patient", id: "one" }], [{ resourceType: "Observation", valueText: "ä" }]];
  files.records.charts.set(patientId, { pages, log: "time,actorName\r\n2026-11-01,Dr. Ada\r\n" });
  const { id, password } = await made();
  expect(password).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){6}[0-9a-hjkmnp-tv-z]{4}$/);
  const { status, bytes, headers } = await download(id);
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("application/zip");
  expect(bytes).toHaveLength(Number(headers.get("content-length")));

  const entries = await entriesOf(bytes, password ?? "");
  const manifest = JSON.parse(textIn(entries, "manifest.json"));
  expect(manifest).toMatchObject({
    exportId: id,
    patientId,
    requestedBy: patient.id,
    masked: [],
    accessLog: true,
  });
  expect(manifest.entries).toEqual(
    [...entries]
      .filter(([name]) => name !== "manifest.json")
      .map(([name, content]) => ({ name, size: content.length, sha256: sha256(content) })),
  );
  expect([...entries.keys()]).toEqual([
    "fhir/record-0001.json",
    "fhir/record-0002.json",
    "files/0001.png",
    "files/0002.pdf",
    "files/index.json",
    "who-looked.csv",
    "summary.pdf",
    "README.txt",
    "manifest.json",
  ]);
  const bundles = [1, 2].map((n) => JSON.parse(textIn(entries, `fhir/record-000${n}.json`)));
  expect(bundles.map(({ entry }) => entry.map(({ resource }: { resource: object }) => resource))).toEqual(
    pages,
  );
  expect(entries.get("files/0001.png")).toEqual(PNG);
  expect(entries.get("files/0002.pdf")).toEqual(large);
  expect(JSON.parse(textIn(entries, "files/index.json"))).toMatchObject([
    { entry: "files/0001.png", name: "Röntgen.PNG", sha256: sha256(PNG) },
    { entry: "files/0002.pdf", name: "report.pdf", contentType: "application/pdf", size: large.length },
  ]);
  expect(textIn(entries, "who-looked.csv")).toContain("Dr. Ada");
  expect(textIn(entries, "README.txt")).toContain("Nothing in it is masked");
});

test("each entry is AES-256 as WinZip has it (AE-2), and a wrong password opens none", async () => {
  await upload(files, patient, form(["patientId", patientId], ["files", PDF, "a.pdf", "application/pdf"]));
  const { id, password } = await made();
  const { bytes } = await download(id);
  let seen = 0;
  // Local records: method 99, no CRC, and the extra field of AE-2 with strength 3.
  for (let at = bytes.indexOf("PK\x03\x04"); at !== -1; at = bytes.indexOf("PK\x03\x04", at + 4), seen += 1) {
    expect(bytes.readUInt16LE(at + 6) & 1).toBe(1);
    expect(bytes.readUInt16LE(at + 8)).toBe(99);
    expect(bytes.readUInt32LE(at + 14)).toBe(0);
    const extra = at + 30 + bytes.readUInt16LE(at + 26);
    expect(bytes.subarray(extra, extra + 9).toString("latin1")).toBe("\x01\x99\x07\x00\x02\x00AE\x03");
  }
  expect(seen).toBe(7);
  expect((await entriesOf(bytes, password ?? "")).get("files/0001.pdf")).toEqual(PDF);
  const wrong = createReader(bytes, `${password}?`);
  for (const name of await wrong.names()) await expect(wrong.bytes(name), name).rejects.toThrow();
  expect(bytes.includes("Patient")).toBe(false);
});

test("an archive is given out once: then it is gone, and so are its key and its bytes", async () => {
  const { id } = await made();
  const before = (await files.onDisk()).length;
  const head = await fetch(`${files.url}/v1/exports/${id}/content`, {
    method: "HEAD",
    headers: patient.headers,
  });
  expect(head.status).toBe(200);
  expect((await get(files, patient, `/v1/exports/${id}/content`, { range: "bytes=0-9" })).status).toBe(416);
  const first = await download(id);
  expect(first.bytes).toHaveLength(Number(head.headers.get("content-length")));
  const second = await download(id);
  expect([second.status, JSON.parse(second.bytes.toString()).code]).toEqual([410, "export_gone"]);
  expect(await stateOf(id)).toMatchObject({ state: "downloaded" });
  expect(await files.onDisk()).toHaveLength(before - 1);
  expect((await files.pool.query("select from export_secrets")).rowCount).toBe(0);
  expect(await types()).toEqual(
    expect.arrayContaining(["requested.v1", "made.v1", "downloaded.v1", "medvault.files.file.failed.v1"]),
  );
});

test("a download that breaks off before its last byte may be tried again, three times in all", async () => {
  const large = Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(290_000)]);
  for (
    let n = 0;
    n < 40;
    n += 1 // more than sockets hold by themselves
  )
    await upload(
      files,
      patient,
      form(["patientId", patientId], ["files", large, "a.pdf", "application/pdf"]),
    );
  const { id } = await made();
  for (let n = 0; n < 3; n += 1) {
    const cut = new AbortController();
    const answer = await fetch(`${files.url}/v1/exports/${id}/content`, {
      headers: patient.headers,
      signal: cut.signal,
    });
    expect(answer.status).toBe(200);
    await answer.body?.getReader().read();
    if (n === 0) {
      const busy = await download(id);
      expect([busy.status, JSON.parse(busy.bytes.toString()).code]).toEqual([409, "export_in_download"]);
    }
    cut.abort();
    await expect
      .poll(async () => {
        const { rows } = await files.pool.query("select from exports where download_until is null");
        return rows.length;
      })
      .toBe(1);
  }
  expect(await stateOf(id)).toMatchObject({ state: "ready" });
  expect((await download(id)).status).toBe(410);
  expect((await types()).filter((type) => type === "left.v1")).toHaveLength(3);
});

test("only who asked sees and fetches an export; before it is ready there is nothing to fetch", async () => {
  const { body } = await begin(patient);
  const { id } = body;
  expect(body).toMatchObject({ state: "queued", percent: 0, stage: null, expiresAt: null, size: null });
  expect((await download(id)).status).toBe(409);
  await make();
  for (const other of [await files.person("patient"), await files.person("admin")]) {
    for (const [method, path] of [
      ["GET", `/v1/exports/${id}`],
      ["GET", `/v1/exports/${id}/content`],
      ["DELETE", `/v1/exports/${id}`],
    ] as const)
      expect((await call(other, method, path)).status, `${method} ${path}`).toBe(404);
  }
  expect((await call(patient, "GET", `/v1/exports/${newId()}`)).status).toBe(404);
  const doctor = await files.person("doctor");
  expect((await begin(doctor, undefined, { "X-Purpose": "TREAT" })).status).toBe(404);
});

test("an export needs a sign-in of just now, and of staff a purpose", async () => {
  const old = await files.person("patient", { authTime: Math.floor(Date.now() / 1000) - 601 });
  files.grant(patientId, old);
  expect((await begin(old)).body).toMatchObject({ status: 403, code: "step_up_required" });
  const doctor = await files.person("doctor");
  files.grant(patientId, doctor);
  expect((await begin(doctor)).body).toMatchObject({ status: 400, code: "purpose_required" });
  expect((await begin(doctor, undefined, { "X-Purpose": "HLEGAL" })).status).toBe(202);
  await make();
  const [requested] = (await files.events()).filter(({ type }) => type.endsWith(".requested.v1"));
  expect(requested?.data).toMatchObject({ purpose: "HLEGAL", patientIds: [patientId] });
});

test("threat: an archive under a password that someone chose is guessed offline; none is taken", async () => {
  for (const password of ["12345678901234567890", "qwertyuiopqwertyuiop", "Seventeen gray owls, 42!"])
    expect((await begin(patient, { password })).body, password).toMatchObject({
      status: 400,
      code: "invalid_input",
    });
  expect((await files.pool.query("select from exports")).rowCount).toBe(0);
});

test("the password is in no table, event or kept answer, and a repeated request does not show it", async () => {
  const headers = { "Idempotency-Key": newId() };
  const first = await begin(patient, {}, headers);
  const again = await begin(patient, {}, headers);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(again.body).toEqual({ ...first.body, password: null });
  const secrets = [first.body.password ?? "", ...files.records.tokens()];
  const leaks = async () => {
    const text = (await files.dump()) + JSON.stringify(await files.events());
    return secrets.filter((secret) => {
      const forms = [secret, Buffer.from(secret).toString("hex"), Buffer.from(secret).toString("base64")];
      return forms.some((one) => text.includes(one));
    });
  };
  expect(secrets.length).toBeGreaterThan(2);
  expect(await leaks()).toEqual([]);
  await make();
  expect(await leaks()).toEqual([]);
  // Once made, what is sealed is the archive's key alone.
  const { rows } = await files.pool.query<{ rev: number }>("select rev from export_secrets");
  expect(rows).toEqual([{ rev: 2 }]);
});

test("of one chart one export of a person is made at a time; a new one destroys the one that waits", async () => {
  const both = await Promise.all([begin(patient), begin(patient)]);
  expect(both.map(({ status }) => status).sort()).toEqual([202, 409]);
  expect(both.find(({ status }) => status === 409)?.body.code).toBe("export_running");
  await make();
  const first = both.find(({ status }) => status === 202)?.body.id ?? "";
  expect((await begin(patient)).status).toBe(202);
  expect(await stateOf(first)).toMatchObject({ state: "expired" });
  expect((await download(first)).status).toBe(410);
});

test("a person has five exports under way at most", async () => {
  for (let n = 0; n < 5; n += 1) {
    patientId = files.patientOf(patient);
    expect((await begin(patient)).status).toBe(202);
  }
  patientId = files.patientOf(patient);
  expect((await begin(patient)).body).toMatchObject({ status: 409, code: "export_limit" });
});

test("when its time is up an archive is destroyed, its key first", async () => {
  const { id } = await made();
  await files.pool.query("update exports set expires_at = now() - interval '1 second'");
  expect((await download(id)).status).toBe(410);
  const before = (await files.onDisk()).length;
  expect(await expireDue(files.context)).toBe(1);
  expect(await files.onDisk()).toHaveLength(before - 1);
  expect(await stateOf(id)).toMatchObject({ state: "expired" });
  expect((await files.pool.query("select from export_secrets")).rowCount).toBe(0);
  expect(await types()).toContain("expired.v1");
});

test("what is cancelled leaves nothing behind", async () => {
  const { id } = await made();
  const before = (await files.onDisk()).length;
  expect((await call(patient, "DELETE", `/v1/exports/${id}`)).status).toBe(204);
  expect((await call(patient, "GET", `/v1/exports/${id}`)).status).toBe(404);
  expect(await files.onDisk()).toHaveLength(before - 1);
  expect((await files.pool.query("select from export_secrets")).rowCount).toBe(0);
});
