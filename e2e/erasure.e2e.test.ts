import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { ops } from "./support/ops.ts";
import { invite, items, registerPatient, text } from "./support/people.ts";

const POLL = { timeout: 60_000 };

test("a patient is erased in every service, which confirm by themselves; the receipt is checked offline", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const patient = await registerPatient(ops());
  const who = { givenName: "Perpetua", familyName: "Quenbury", birthDate: "1961-11-02", sex: "female" };
  const id = text((await doctor.client.post("/v1/patients", { ...who, userId: patient.id })).body, "id");
  const form = new FormData();
  form.append("patientId", id);
  form.append("files", new Blob(["A note for later"], { type: "text/plain" }), "note.txt");
  const stored = await doctor.client.call("POST", "/v1/files", { form });
  const file = `/v1/files/${text(items(stored.body)[0] ?? {}, "id")}/content`;
  expect((await doctor.client.get(file)).status).toBe(200);

  const erased = await admin.post(`/v1/patients/${id}/erase`, { reason: "Asked for in writing" });
  expect(erased).toMatchObject({ status: 202, body: { services: { records: "done" } } });
  for (const one of [`/v1/patients/${id}`, file]) expect((await doctor.client.get(one)).status).toBe(404);
  const state = async () => (await admin.get(`/v1/patients/${id}/erasure`)).body;
  await expect.poll(state, POLL).toMatchObject({
    state: "complete",
    services: { records: "done", files: "done", auth: "done" },
    copies: { backup: "done" },
  });
  expect((await patient.client.get("/v1/auth/me")).status).toBe(401);

  const receipt = () => admin.get(`/v1/patients/${id}/erasure/receipt`);
  await expect.poll(async () => (await receipt()).status, POLL).toBe(200);
  const publicKey = path.join(ops().dirs.data, "audit/audit.vkey");
  const script = new URL("../tools/verify-receipt.mjs", import.meta.url).pathname;
  const args = [script, "--key", publicKey, "--patient", id];
  const input = JSON.stringify((await receipt()).body);
  const checked = spawnSync(process.execPath, args, { input, encoding: "utf8" });
  expect([checked.status, checked.stdout]).toEqual([0, expect.stringContaining("VALID: patient")]);
});
