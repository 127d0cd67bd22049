import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../dev/lib/paths.mjs";
import { freshAdmin } from "./support/admin.ts";
import type { Json } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, registerPatient, text } from "./support/people.ts";

test("a patient sees their doctor and a stranger who broke the glass, by name, and checks a proof offline", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const stranger = await invite(ops(), admin, "doctor");
  const patient = await registerPatient(ops());
  const other = await registerPatient(ops());
  const who = { givenName: "Wilma", familyName: "Ashdown", birthDate: "1961-11-02", sex: "female" };
  const id = text((await doctor.client.post("/v1/patients", { ...who, userId: patient.id })).body, "id");
  expect((await doctor.client.get(`/v1/patients/${id}`)).status).toBe(200);
  const emergency = { purpose: "ETREAT", reason: "Brought in unconscious by ambulance" };
  expect((await stranger.client.post(`/v1/patients/${id}/break-glass`, emergency)).status).toBe(201);
  expect((await stranger.client.get(`/v1/patients/${id}`)).status).toBe(200);

  const visitOf = async (actorId: string) => {
    const { status, body } = await patient.client.get(`/v1/audit/my-access?actorId=${actorId}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return items(body)[0];
  };
  const words = "looked at your personal details";
  const known = { purposes: [{ code: "TREAT", words: "treatment" }], offCareTeam: false, breakGlass: false };
  const called = { id: doctor.id, name: expect.any(String) };
  await expect
    .poll(() => visitOf(doctor.id), { timeout: 20_000 })
    .toMatchObject({
      actor: called,
      role: "doctor",
      ...known,
      kinds: expect.arrayContaining([expect.objectContaining({ words })]),
    });
  await expect
    .poll(() => visitOf(stranger.id), { timeout: 20_000 })
    .toMatchObject({
      ...{ actor: { id: stranger.id, name: expect.any(String) }, offCareTeam: true, breakGlass: true },
      kinds: expect.arrayContaining([expect.objectContaining({ words })]),
    });

  const act = ((await visitOf(stranger.id))?.events as Json[] | undefined)?.find(
    (one) => one.words === words,
  );
  const proof = `/v1/audit/events/${text(act ?? {}, "id")}/proof`;
  const { status, raw } = await patient.client.get(proof);
  expect(status).toBe(200);
  const key = path.join(ops().dirs.data, "audit/audit.vkey");
  const verifier = path.join(root, "tools/verify-proof.mjs");
  const checked = spawnSync(process.execPath, [verifier, "--key", key], { input: raw, encoding: "utf8" });
  expect([checked.status, checked.stderr]).toEqual([0, ""]);
  expect(checked.stdout).toContain(text(act ?? {}, "id"));

  expect(items((await other.client.get(`/v1/audit/my-access?actorId=${stranger.id}`)).body)).toEqual([]);
  expect((await other.client.get(proof)).status).toBe(404);
  for (const { client } of [doctor, { client: admin }])
    expect((await client.get("/v1/audit/my-access")).status).toBe(403);
}, 120_000);
