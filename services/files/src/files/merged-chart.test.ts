import { afterAll, beforeAll, expect, test } from "vitest";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";

let files: Files;
let doctor: Person;
let survivor: string;
let merged: string;
beforeAll(async () => {
  files = await startFiles();
  doctor = await files.person("doctor");
  survivor = files.patientOf(doctor);
  merged = files.patientOf(doctor);
});
afterAll(() => files?.stop());

async function stored(patientId: string, attachTo?: string): Promise<string> {
  const target: [string, string][] = attachTo ? [["attachTo", attachTo]] : [];
  const note = Buffer.from(`a note for ${patientId} ${Math.random()}`);
  const answer = await upload(
    files,
    doctor,
    form(["patientId", patientId], ...target, ["files", note, "note.txt", "text/plain"]),
  );
  expect(answer.status).toBe(201);
  return answer.body.items[0]?.id ?? "";
}

async function listed(query: string): Promise<[id: string, patientId: string][]> {
  const found: [string, string][] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const path: string = `/v1/files?${query}&limit=1${cursor && `&cursor=${cursor}`}`;
    const answer = await get(files, doctor, path);
    expect(answer.status).toBe(200);
    const page = JSON.parse(String(answer.bytes));
    found.push(...page.items.map((item: { id: string; patientId: string }) => [item.id, item.patientId]));
    cursor = page.nextCursor;
  }
  return found;
}

test("a merged chart has the files of both ids, takes new ones under the surviving one, and parts again", async () => {
  const prescription = `prescription/${files.prescriptionOf(merged)}`;
  const [first, second] = [await stored(survivor), await stored(merged, prescription)];
  files.mergeOf(survivor, merged);
  const third = await stored(merged);
  const { rows } = await files.pool.query("select patient_id from files where id = $1", [third]);
  expect(rows).toEqual([{ patient_id: survivor }]);
  for (const id of [survivor, merged]) {
    expect(await listed(`patientId=${id}`)).toEqual([third, second, first].map((one) => [one, survivor]));
    expect(await listed(`patientId=${id}&attachedTo=${prescription}`)).toEqual([[second, survivor]]);
  }
  expect(await listed(`attachedTo=${prescription}`)).toEqual([[second, survivor]]);
  for (const id of [first, second, third]) {
    const one = await get(files, doctor, `/v1/files/${id}`);
    expect(JSON.parse(String(one.bytes))).toMatchObject({ id, patientId: survivor });
    expect((await get(files, doctor, `/v1/files/${id}/content`)).status).toBe(200);
  }
  files.mergeOf(survivor, merged, true);
  expect(await listed(`patientId=${survivor}`)).toEqual([third, first].map((one) => [one, survivor]));
  expect(await listed(`patientId=${merged}`)).toEqual([[second, merged]]);
});

test("threat: the quota of a patient is had twice by a merged chart", async () => {
  const [one, two] = [files.patientOf(doctor), files.patientOf(doctor)];
  files.context.quotas.patient = { maxBytes: 100_000, maxFiles: 2 };
  await stored(one);
  await stored(two);
  files.mergeOf(one, two);
  for (const id of [one, two]) {
    const more = await upload(
      files,
      doctor,
      form(["patientId", id], ["files", Buffer.from("one more"), "n.txt", "text/plain"]),
    );
    expect(more).toMatchObject({ status: 413, body: { code: "quota_exceeded" } });
  }
});
