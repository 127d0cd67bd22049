import { afterAll, beforeAll, expect, test } from "vitest";
import { type Files, form, type Person, startFiles, upload } from "../../test/harness.ts";

let files: Files;
let person: Person;
beforeAll(async () => {
  files = await startFiles();
  person = await files.person("patient");
});
afterAll(() => files.stop());

const QUOTA = { maxBytes: 100_000, maxFiles: 8 };
const uploadTo = (patientId: string, bytes: number, parts = 1) =>
  upload(
    files,
    person,
    form(
      ["patientId", patientId],
      ...Array.from({ length: parts }, (_, at) => {
        const text = Buffer.from("a line of text\n".repeat(bytes).slice(0, bytes));
        return ["files", text, `note-${at}.txt`, "text/plain"] as ["files", Buffer, string, string];
      }),
    ),
  );

test("a stranger who registered fills no disk: uploads at once stop at the quota, exactly", async () => {
  files.context.quotas.unvouched = QUOTA;
  const patientId = files.patientOf(person);
  files.vouch(patientId, false);
  const answers = await Promise.all(Array.from({ length: 12 }, () => uploadTo(patientId, 30_000)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
  const refused = answers.filter(({ status }) => status !== 201);
  expect(new Set(refused.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
    new Set(["413 quota_exceeded"]),
  );
  expect(await files.onDisk()).toHaveLength(3);
  expect((await uploadTo(patientId, 10_000)).status).toBe(201); // what fits is taken, to the last byte
  expect((await uploadTo(patientId, 1)).status).toBe(413);
});

test("many small files of a stranger stop as well, and none of a refused request stays", async () => {
  files.context.quotas.unvouched = QUOTA;
  const patientId = files.patientOf(person);
  files.vouch(patientId, false);
  expect((await uploadTo(patientId, 10, 5)).status).toBe(201);
  const before = (await files.onDisk()).length;
  expect((await uploadTo(patientId, 10, 4)).body.code).toBe("quota_exceeded");
  expect(await files.onDisk()).toHaveLength(before);
  expect((await uploadTo(patientId, 10, 3)).status).toBe(201);
});

test("once staff treats the patient there is room, up to every patient's quota", async () => {
  files.context.quotas.unvouched = QUOTA;
  files.context.quotas.patient = { maxBytes: 200_000, maxFiles: 100 };
  const patientId = files.patientOf(person);
  files.vouch(patientId, false);
  expect((await uploadTo(patientId, 100_000)).status).toBe(201);
  expect((await uploadTo(patientId, 100_000)).status).toBe(413);
  files.vouch(patientId, true);
  expect((await uploadTo(patientId, 100_000)).status).toBe(201);
  expect((await uploadTo(patientId, 1)).body.code).toBe("quota_exceeded");
});
