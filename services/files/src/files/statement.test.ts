import { watchStatements } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";

// What each request sends to Postgres, `begin` and `commit` too: one more is a round trip that
// every user waits for.
let files: Files;
let doctor: Person;
let statements: ReturnType<typeof watchStatements>;
beforeAll(async () => {
  files = await startFiles();
  doctor = await files.person("doctor");
  statements = watchStatements();
});
afterAll(async () => {
  statements?.stop();
  await files?.stop();
});

test("a request sends no more statements than it needs", async () => {
  const patientId = files.patientOf(doctor);
  const note = Buffer.from("a line of text\n");
  const send = () =>
    upload(files, doctor, form(["patientId", patientId], ["files", note, "note.txt", "text/plain"]));
  const id = (await send()).body.items[0]?.id; // the patient's and the table's keys are made once
  const remove = () => fetch(`${files.url}/v1/files/${id}`, { method: "DELETE", headers: doctor.headers });
  const requests: [number, string, () => Promise<{ status: number }>][] = [
    [8, "upload", send],
    [2, "list a patient's files", () => get(files, doctor, `/v1/files?patientId=${patientId}`)],
    [2, "read", () => get(files, doctor, `/v1/files/${id}`)],
    [2, "download", () => get(files, doctor, `/v1/files/${id}/content`)],
    [5, "delete", remove],
  ];
  for (const [most, what, request] of requests) {
    statements.clear();
    expect((await request()).status, what).toBeLessThan(300);
    expect(statements.texts.length, what).toBe(most);
  }
});
