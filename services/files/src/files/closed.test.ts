import { newId } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";

let files: Files;
let doctor: Person;
beforeAll(async () => {
  files = await startFiles();
  doctor = await files.person("doctor");
});
afterAll(() => files?.stop());

async function stored(patientId: string, attachTo?: string): Promise<string> {
  const target: [string, string][] = attachTo ? [["attachTo", attachTo]] : [];
  const note = Buffer.from(`a note ${newId()}`);
  const body = form(["patientId", patientId], ...target, ["files", note, "note.txt", "text/plain"]);
  const answer = await upload(files, doctor, body);
  expect(answer.status).toBe(201);
  return answer.body.items[0]?.id ?? "";
}

const listed = async (query: string): Promise<string[]> => {
  const { bytes } = await get(files, doctor, `/v1/files?${query}`);
  return JSON.parse(String(bytes)).items.map(({ id }: { id: string }) => id);
};

test("threat: someone reads a file that the patient closed to them, or one on a prescription that is closed", async () => {
  const patientId = files.patientOf(doctor);
  const prescriptions = [files.prescriptionOf(patientId), files.prescriptionOf(patientId)];
  const [one, other] = prescriptions.map((id) => `prescription/${id}`) as [string, string];
  const free = await stored(patientId);
  const single = await stored(patientId);
  const [onOne, onOther] = [await stored(patientId, one), await stored(patientId, other)];
  const all = [free, single, onOne, onOther];
  for (const [closed, open] of [
    [[], all],
    [[`file/${single}`], [free, onOne, onOther]],
    [[one], [free, single, onOther]],
    [["prescription/*"], [free, single]],
    [["file/*"], []],
    [["record/*", `claim/${newId()}`], all],
  ] as const) {
    files.close(patientId, ...closed);
    expect((await listed(`patientId=${patientId}`)).sort(), closed.join()).toEqual([...open].sort());
    expect(await listed(`attachedTo=${one}`)).toEqual(open.filter((id) => id === onOne));
    for (const id of all) {
      const isOpen = (open as readonly string[]).includes(id);
      for (const path of ["", "/content"])
        expect((await get(files, doctor, `/v1/files/${id}${path}`)).status).toBe(isOpen ? 200 : 404);
    }
  }
});
