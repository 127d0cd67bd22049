import { afterAll, beforeAll, expect, test } from "vitest";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";

let files: Files;
let doctor: Person;
beforeAll(async () => {
  files = await startFiles();
  doctor = await files.person("doctor");
});
afterAll(() => files?.stop());

async function stored(patientId: string, name: string): Promise<string> {
  const answer = await upload(
    files,
    doctor,
    form(["patientId", patientId], ["files", Buffer.from("hello\n"), name, "text/plain"]),
  );
  expect(answer.status).toBe(201);
  return answer.body.items[0]?.id ?? "";
}

test("threat: one flipped bit in a file's row hides the patient's files: it is named, and the others are shown", async () => {
  const patientId = files.patientOf(doctor);
  const [bad, good] = [await stored(patientId, "a.txt"), await stored(patientId, "b.txt")];
  await files.pool.query(
    "update files set sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300)) where id = $1",
    [bad],
  );
  await files.pool.query("delete from outbox");
  const listed = await get(files, doctor, `/v1/files?patientId=${patientId}`);
  expect(listed.status).toBe(200);
  expect(JSON.parse(listed.bytes.toString()).items).toEqual([
    expect.objectContaining({ id: good, name: "b.txt" }),
    { id: bad, patientId, damaged: true },
  ]);
  for (const path of [`/v1/files/${bad}`, `/v1/files/${bad}/content`]) {
    const one = await get(files, doctor, path);
    expect([one.status, JSON.parse(one.bytes.toString()).code], path).toEqual([409, "row_damaged"]);
  }
  const removed = await fetch(`${files.url}/v1/files/${bad}`, { method: "DELETE", headers: doctor.headers });
  expect(removed.status).toBe(409);
  expect((await get(files, doctor, `/v1/files/${good}/content`)).bytes.toString()).toBe("hello\n");
  const { rows } = await files.pool.query<{ type: string }>("select event->>'type' as type from outbox");
  expect(rows.filter(({ type }) => type === "medvault.files.file.damaged.v1")).toHaveLength(4);
});
