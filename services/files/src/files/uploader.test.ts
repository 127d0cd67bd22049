import { startPeople } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import { form, get, startFiles, upload } from "../../test/harness.ts";

test("a file says how its uploader is called, when it is stored, read and listed; without auth null", async () => {
  const people = await startPeople();
  onTestFinished(() => people.close());
  for (const [url, name] of [
    [people.url, "Anna Weber"],
    ["http://127.0.0.1:1", null],
  ] as const) {
    const files = await startFiles({ MEDVAULT_AUTH_URL: url });
    onTestFinished(() => files.stop());
    const doctor = await files.person("doctor");
    people.names.set(doctor.id, "Anna Weber");
    const patientId = files.patientOf(doctor);
    const part = ["files", Buffer.from("hello\n"), "a.txt", "text/plain"] as const;
    const stored = await upload(files, doctor, form(["patientId", patientId], [...part]));
    const uploader = { id: doctor.id, name };
    expect(stored).toMatchObject({ status: 201, body: { items: [{ uploader }] } });
    const id = stored.body.items[0]?.id;
    const read = await get(files, doctor, `/v1/files/${id}`);
    expect(JSON.parse(read.bytes.toString())).toMatchObject({ uploadedBy: doctor.id, uploader });
    const listed = await get(files, doctor, `/v1/files?patientId=${patientId}`);
    expect(JSON.parse(listed.bytes.toString())).toMatchObject({ items: [{ uploader }] });
    expect(JSON.stringify(await files.events())).not.toContain("Weber");
  }
});
