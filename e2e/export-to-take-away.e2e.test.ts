import { createHash } from "node:crypto";
import { Uint8ArrayReader, Uint8ArrayWriter, ZipReader } from "@zip.js/zip.js";
import { expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import type { Client } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, registerPatient, text } from "./support/people.ts";

const WHO = { givenName: "Rowan", familyName: "Thistlewood", birthDate: "1958-04-09", sex: "female" };
const PHONE = "555-0188-420";
const NOTE = "A note for the next clinic";

async function entriesOf(zip: Buffer, password: string): Promise<Map<string, Buffer>> {
  const reader = new ZipReader(new Uint8ArrayReader(new Uint8Array(zip)), { password, useWebWorkers: false });
  const entries = new Map<string, Buffer>();
  for (const entry of await reader.getEntries())
    entries.set(entry.filename, Buffer.from((await entry.getData?.(new Uint8ArrayWriter())) ?? []));
  return entries;
}

async function ready(who: Client, id: string): Promise<void> {
  const state = async () => (await who.get(`/v1/exports/${id}`)).body.state;
  await expect.poll(state, { timeout: 60_000 }).toBe("ready");
}

test("a patient takes away the whole record; it opens with the password of the answer, once", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const patient = await registerPatient(ops());
  const made = await doctor.client.post("/v1/patients", { ...WHO, phone: PHONE, userId: patient.id });
  const id = text(made.body, "id");
  const record = { type: "allergy", title: "Penicillin", body: "Hives within the hour" };
  expect((await doctor.client.post(`/v1/patients/${id}/records`, record)).status).toBe(201);
  const form = new FormData();
  form.append("patientId", id);
  form.append("files", new Blob([NOTE], { type: "text/plain" }), "note for later.txt");
  expect((await doctor.client.call("POST", "/v1/files", { form })).status).toBe(201);
  // Whoever read it is in the log that goes along, once the log has it.
  const types = async (filter: string) =>
    items((await admin.get(`/v1/audit/events?${filter}`)).body).map(({ type }) => type);
  const stored = "medvault.files.file.stored.v1";
  await expect.poll(() => types(`patientId=${id}&type=${stored}`), { timeout: 20_000 }).toEqual([stored]);

  const begun = await patient.client.post(`/v1/patients/${id}/export`);
  expect(begun.status).toBe(202);
  const [exportId, password] = [text(begun.body, "id"), text(begun.body, "password")];
  await ready(patient.client, exportId);
  for (const other of [doctor.client, admin])
    expect((await other.get(`/v1/exports/${exportId}/content`)).status).toBe(404);
  const { status, raw } = await patient.client.get(`/v1/exports/${exportId}/content`);
  expect(status).toBe(200);
  expect(await patient.client.get(`/v1/exports/${exportId}/content`)).toMatchObject({
    status: 410,
    body: { code: "export_gone" },
  });

  const entries = await entriesOf(raw, password);
  const manifest = JSON.parse(String(entries.get("manifest.json")));
  for (const { name, sha256 } of manifest.entries)
    expect(
      createHash("sha256")
        .update(entries.get(name) ?? "")
        .digest("hex"),
      name,
    ).toBe(sha256);
  const bundle = String(entries.get("fhir/record-0001.json"));
  for (const part of ["Thistlewood", PHONE, "Hives within the hour"]) expect(bundle).toContain(part);
  expect(String(entries.get("files/0001.txt"))).toBe(NOTE);
  expect(String(entries.get("summary.pdf")?.subarray(0, 5))).toBe("%PDF-");
  const log = String(entries.get("who-looked.csv"));
  expect(log).toContain(`${doctor.username},doctor,`);
  expect(log).not.toContain("127.0.0.1");
  for (const verb of ["requested", "made", "downloaded"]) {
    const type = `medvault.files.export.${verb}.v1`;
    const told = () => types(`patientId=${id}&subject=export/${exportId}&type=${type}`);
    await expect.poll(told, { timeout: 20_000 }).toEqual([type]);
  }
});

test("a doctor who is taken off the care team does not get what was made for them", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const id = text((await doctor.client.post("/v1/patients", WHO)).body, "id");
  const begun = await doctor.client.post(`/v1/patients/${id}/export`, {}, { "X-Purpose": "TREAT" });
  const exportId = text(begun.body, "id");
  await ready(doctor.client, exportId);
  expect((await admin.delete(`/v1/patients/${id}/care-team/${doctor.id}`)).status).toBe(204);
  expect((await doctor.client.get(`/v1/exports/${exportId}/content`)).status).toBe(404);
});
