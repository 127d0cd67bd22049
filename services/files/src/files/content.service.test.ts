import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { newId } from "@medvault/contracts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";
import { PDF } from "./content.testdata.ts";
import { sweepOrphans } from "./file.jobs.ts";

let files: Files;
let doctor: Person;
let other: Person;
let patientId: string;

beforeAll(async () => {
  files = await startFiles();
});
afterAll(() => files?.stop());
beforeEach(async () => {
  doctor = await files.person("doctor");
  other = await files.person("doctor");
  patientId = files.patientOf(doctor);
});

async function stored(bytes: Buffer, name: string, type: string, attachTo?: string): Promise<string> {
  const target = attachTo ? [["attachTo", attachTo] as [string, string]] : [];
  const answer = await upload(
    files,
    doctor,
    form(["patientId", patientId], ...target, ["files", bytes, name, type]),
  );
  expect(answer.status).toBe(201);
  await files.pool.query("delete from outbox");
  return answer.body.items[0]?.id ?? "";
}

/** 130,000 letters: eight chunks of the encryption, the last one short. */
const TEXT = Buffer.from(randomBytes(65_000).toString("hex"));

async function blobOf(id: string): Promise<string> {
  const { rows } = await files.pool.query<{ blob: string }>("select blob from files where id = $1", [id]);
  const { blob = "" } = rows[0] ?? {};
  return `${files.store}/blobs/${blob.slice(0, 2)}/${blob}`;
}

test("the bytes come back the same, as a download whose type no browser guesses", async () => {
  const id = await stored(TEXT, "Verlauf Ä.txt", "text/plain");
  const answer = await get(files, doctor, `/v1/files/${id}/content`);
  expect(answer.status).toBe(200);
  expect(answer.bytes.equals(TEXT)).toBe(true);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    "content-type": "text/plain",
    "content-length": String(TEXT.length),
    "content-disposition": "attachment; filename=\"Verlauf _.txt\"; filename*=UTF-8''Verlauf%20%C3%84.txt",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, no-store",
    "accept-ranges": "bytes",
    etag: '"1"',
  });
  expect(await files.events()).toMatchObject([
    {
      type: "medvault.files.file.read.v1",
      subject: `file/${id}`,
      data: {
        patientIds: [patientId],
        fields: ["content"],
        outcome: "success",
        purpose: "TREAT",
        decision: { allowed: true, reason: "assigned" },
      },
    },
  ]);
});

test.each([
  ["bytes=0-0", 0, 1],
  ["bytes=16383-16384", 16_383, 16_385],
  ["bytes=16384-", 16_384, 130_000],
  ["bytes=-1", 129_999, 130_000],
  ["bytes=100000-999999", 100_000, 130_000],
  [`bytes=100000-${"9".repeat(30)}`, 100_000, 130_000],
  ["bytes=5-131", 5, 132],
])("%s is one part of the plain bytes", async (range, start, end) => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  const answer = await get(files, doctor, `/v1/files/${id}/content`, { range });
  expect(answer.status).toBe(206);
  expect(answer.headers.get("content-range")).toBe(`bytes ${start}-${end - 1}/130000`);
  expect(answer.bytes.equals(TEXT.subarray(start, end))).toBe(true);
});

test("HEAD answers for the whole file, whatever range it names", async () => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  for (const range of ["bytes=0-0", "bytes=130000-"]) {
    const answer = await fetch(`${files.url}/v1/files/${id}/content`, {
      method: "HEAD",
      headers: { ...doctor.headers, range },
    });
    expect([
      answer.status,
      answer.headers.get("content-length"),
      answer.headers.get("content-range"),
    ]).toEqual([200, "130000", null]);
  }
});

test("a range beyond the end is 416 with the file's length; several ranges get everything", async () => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  const beyond = await get(files, doctor, `/v1/files/${id}/content`, { range: "bytes=130000-" });
  expect(beyond.status).toBe(416);
  expect(beyond.headers.get("content-range")).toBe("bytes */130000");
  expect(JSON.parse(beyond.bytes.toString())).toMatchObject({ code: "range_not_satisfiable" });
  const several = await get(files, doctor, `/v1/files/${id}/content`, { range: "bytes=0-1,5-6" });
  expect([several.status, several.bytes.length]).toEqual([200, 130_000]);
  const otherVersion = { range: "bytes=0-1", "if-range": '"9"' };
  expect((await get(files, doctor, `/v1/files/${id}/content`, otherVersion)).status).toBe(200);
});

test("an empty file is stored and comes back empty", async () => {
  const id = await stored(Buffer.alloc(0), "leer.txt", "text/plain");
  const answer = await get(files, doctor, `/v1/files/${id}/content`);
  expect([answer.status, answer.bytes.length]).toEqual([200, 0]);
});

test("images and PDF may be shown inline, anything else may not", async () => {
  const pdf = await stored(PDF, "a.pdf", "application/pdf");
  const text = await stored(TEXT, "a.txt", "text/plain");
  const inline = await get(files, doctor, `/v1/files/${pdf}/content?disposition=inline`);
  expect(inline.headers.get("content-disposition")).toBe('inline; filename="a.pdf"');
  expect((await get(files, doctor, `/v1/files/${text}/content?disposition=inline`)).status).toBe(400);
  expect((await get(files, doctor, `/v1/files/${pdf}/content?disposition=evil`)).status).toBe(400);
});

test("a flipped byte in the first chunk is 500 with no byte of the file, and is in the log", async () => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  flip(await blobOf(id), 100);
  const answer = await get(files, doctor, `/v1/files/${id}/content`);
  expect(answer.status).toBe(500);
  expect(JSON.parse(answer.bytes.toString())).toMatchObject({ code: "content_damaged" });
  expect(await files.events()).toMatchObject([
    { subject: `file/${id}`, data: { outcome: "failure", decision: { reason: "content_damaged" } } },
  ]);
});

test("a flipped byte further on ends the connection after the last good chunk, and is in the log", async () => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  flip(await blobOf(id), 56 + 4 * 16_400 + 10);
  const answer = await fetch(`${files.url}/v1/files/${id}/content`, { headers: doctor.headers });
  expect(answer.status).toBe(200);
  const got: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of answer.body ?? []) got.push(chunk);
  })();
  await expect(reading).rejects.toThrow();
  const bytes = Buffer.concat(got);
  expect(bytes.length).toBeLessThanOrEqual(4 * 16_384);
  expect(bytes.equals(TEXT.subarray(0, bytes.length))).toBe(true);
  expect((await files.events()).map((event) => event.data.outcome)).toEqual(["success", "failure"]);
});

test.each([
  ["cut at a chunk's end", (path: string) => truncateSync(path, 56 + 4 * 16_400)],
  ["cut inside a chunk", (path: string) => truncateSync(path, 56 + 4 * 16_400 + 77)],
  ["emptied", (path: string) => truncateSync(path, 0)],
  ["grown", (path: string) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(16_400)]))],
])("a blob %s is refused before its first byte, for a range too", async (_, damage) => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  damage(await blobOf(id));
  expect((await get(files, doctor, `/v1/files/${id}/content`)).status).toBe(500);
  expect((await get(files, doctor, `/v1/files/${id}/content`, { range: "bytes=0-1" })).status).toBe(500);
});

test("one file's blob put in another's place does not open", async () => {
  const [one, two] = [await stored(TEXT, "a.txt", "text/plain"), await stored(TEXT, "b.txt", "text/plain")];
  writeFileSync(await blobOf(one), readFileSync(await blobOf(two)));
  expect((await get(files, doctor, `/v1/files/${one}/content`)).status).toBe(500);
});

test("a row that names another content type does not open, and to another caller it is still 404", async () => {
  const id = await stored(TEXT, "a.txt", "text/plain");
  await files.pool.query("update files set content_type = 'text/html' where id = $1", [id]);
  expect((await get(files, doctor, `/v1/files/${id}`)).status).toBe(409);
  expect((await get(files, other, `/v1/files/${id}`)).status).toBe(404);
});

test("to another caller every file looks like one that does not exist, in every call", async () => {
  const id = await stored(PDF, "a.pdf", "application/pdf");
  for (const [method, suffix] of [
    ["GET", ""],
    ["GET", "/content"],
    ["DELETE", ""],
  ]) {
    const answers = [];
    for (const target of [id, newId(), "nonsense"]) {
      const path = `/v1/files/${target}${suffix}`;
      const answer = await fetch(`${files.url}${path}`, { method: method ?? "GET", headers: other.headers });
      const { requestId: _, instance: __, ...body } = (await answer.json()) as Record<string, unknown>;
      answers.push(JSON.stringify([answer.status, body]));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("not_found");
  }
  const denied = (await files.events()).filter((event) => event.data.outcome === "denied");
  expect(denied).toHaveLength(9);
  expect(denied[0]).toMatchObject({ subject: `file/${id}`, type: "medvault.files.file.denied.v1" });
  expect((await get(files, doctor, `/v1/files/${id}`)).status).toBe(200);
});

test("lists are of one patient, newest first, in pages, and name the patient in one event", async () => {
  const attachTo = `prescription/${files.prescriptionOf(patientId)}`;
  const ids = [
    await stored(PDF, "1.pdf", "application/pdf"),
    await stored(PDF, "2.pdf", "application/pdf", attachTo),
    await stored(PDF, "3.pdf", "application/pdf"),
  ];
  const list = async (person: Person, query: string) => {
    const answer = await get(files, person, `/v1/files?${query}`);
    const body = JSON.parse(answer.bytes.toString()) as {
      items: { id: string }[];
      nextCursor: string | null;
    };
    return { status: answer.status, ids: body.items?.map((item) => item.id), nextCursor: body.nextCursor };
  };
  const first = await list(doctor, `patientId=${patientId}&limit=2`);
  expect(first.ids).toEqual([ids[2], ids[1]]);
  const second = await list(doctor, `patientId=${patientId}&limit=2&cursor=${first.nextCursor}`);
  expect(second).toEqual({ status: 200, ids: [ids[0]], nextCursor: null });
  expect((await list(doctor, `attachedTo=${attachTo}`)).ids).toEqual([ids[1]]);
  expect((await list(doctor, `patientId=${patientId}&attachedTo=${attachTo}`)).ids).toEqual([ids[1]]);
  expect((await files.events()).map((event) => [event.type, event.data.patientIds])).toEqual(
    Array(4).fill(["medvault.files.file.listed.v1", [patientId]]),
  );
  expect((await list(other, `patientId=${patientId}`)).status).toBe(404);
  expect(await list(other, `attachedTo=${attachTo}`)).toEqual({ status: 200, ids: [], nextCursor: null });
  expect((await files.events()).at(-2)?.data).toMatchObject({ outcome: "denied", patientIds: [patientId] });
  expect(await list(other, `attachedTo=prescription/${newId()}`)).toMatchObject({ status: 200, ids: [] });
  for (const bad of [
    "",
    "patientId=x",
    `patientId=${patientId}&limit=0`,
    `patientId=${patientId}&cursor=x`,
    "a=b",
  ]) {
    expect((await list(doctor, bad)).status).toBe(400);
  }
});

test("a deleted file is gone from the list and from the disk, with its event; an old version is not deleted", async () => {
  const id = await stored(PDF, "a.pdf", "application/pdf");
  const remove = (headers: Record<string, string> = {}) =>
    fetch(`${files.url}/v1/files/${id}`, { method: "DELETE", headers: { ...doctor.headers, ...headers } });
  expect((await remove({ "if-match": '"2"' })).status).toBe(412);
  const blob = await blobOf(id);
  expect((await remove({ "if-match": '"1"' })).status).toBe(204);
  expect(await files.onDisk()).not.toContain(blob);
  expect((await files.events()).at(-1)).toMatchObject({
    type: "medvault.files.file.deleted.v1",
    subject: `file/${id}`,
    data: { patientIds: [patientId] },
  });
  expect((await remove()).status).toBe(404);
});

test("a patient may see and add files, and may not delete them", async () => {
  const patient = await files.person("patient");
  const own = files.patientOf(patient);
  const answer = await upload(
    files,
    patient,
    form(["patientId", own], ["files", PDF, "a.pdf", "application/pdf"]),
  );
  expect(answer.status).toBe(201);
  const path = `/v1/files/${answer.body.items[0]?.id}`;
  expect((await get(files, patient, path)).status).toBe(200);
  const removed = await fetch(`${files.url}${path}`, { method: "DELETE", headers: patient.headers });
  expect(removed.status).toBe(403);
});

test("the sweep removes blobs without a row once they are old enough, not while a restore puts blobs back", async () => {
  const id = await stored(PDF, "a.pdf", "application/pdf");
  const orphan = await stored(PDF, "b.pdf", "application/pdf");
  const path = await blobOf(orphan);
  await files.pool.query("delete from files where id = $1", [orphan]);
  expect(await sweepOrphans(files.pool, files.blobs)).toBe(0);
  writeFileSync(`${files.store}/restoring`, "");
  expect(await sweepOrphans(files.pool, files.blobs, 0)).toBe(0);
  expect(await files.onDisk()).toContain(path);
  rmSync(`${files.store}/restoring`);
  expect(await sweepOrphans(files.pool, files.blobs, 0)).toBeGreaterThan(0);
  expect(await files.onDisk()).not.toContain(path);
  expect((await get(files, doctor, `/v1/files/${id}/content`)).status).toBe(200);
});

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
