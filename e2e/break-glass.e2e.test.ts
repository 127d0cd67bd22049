import { expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { ops } from "./support/ops.ts";
import { invite, items, registerPatient, text } from "./support/people.ts";

const REASON = "Brought in unconscious by ambulance";

test("a doctor breaks the glass in an emergency: chart and files open, the patient and the auditor see it", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const stranger = await invite(ops(), admin, "doctor");
  const auditor = await invite(ops(), admin, "auditor");
  const patient = await registerPatient(ops());
  const who = { givenName: "Wren", familyName: "Ashgrove", birthDate: "1961-11-02", sex: "female" };
  const id = text((await doctor.client.post("/v1/patients", { ...who, userId: patient.id })).body, "id");
  const form = new FormData();
  form.append("patientId", id);
  form.append("files", new Blob(["A note for later"], { type: "text/plain" }), "note.txt");
  const stored = await doctor.client.call("POST", "/v1/files", { form });
  const file = `/v1/files/${text(items(stored.body)[0] ?? {}, "id")}/content`;

  for (const path of [`/v1/patients/${id}`, file]) expect((await stranger.client.get(path)).status).toBe(404);
  const emergency = { purpose: "ETREAT", reason: REASON };
  const opened = await stranger.client.post(`/v1/patients/${id}/break-glass`, emergency);
  expect(opened).toMatchObject({ status: 201, body: { reason: REASON, user: { id: stranger.id } } });
  for (const path of [`/v1/patients/${id}`, file]) expect((await stranger.client.get(path)).status).toBe(200);
  expect(await stranger.client.post(`/v1/patients/${id}/break-glass`, emergency)).toMatchObject({
    status: 409,
    body: { code: "break_glass_running" },
  });
  expect((await patient.client.post(`/v1/patients/${id}/break-glass`, emergency)).status).toBe(403);

  const rights = await patient.client.get(`/v1/patients/${id}/access`);
  expect(rights.body).toMatchObject({ roles: ["admin"] });
  expect(items(rights.body).map(({ userId, reason }) => [userId, reason])).toEqual([
    [patient.id, "own"],
    [doctor.id, "assigned"],
    [stranger.id, "break_glass"],
  ]);
  const told = await patient.client.get(`/v1/break-glass?patientId=${id}`);
  expect(items(told.body)).toMatchObject([{ reason: REASON, user: { name: expect.any(String) } }]);
  const types = async () =>
    items((await auditor.client.get(`/v1/audit/events?patientId=${id}&actorId=${stranger.id}`)).body).map(
      ({ type, purpose }) => `${type} ${purpose}`,
    );
  await expect.poll(types, { timeout: 20_000 }).toContain("medvault.records.breakglass.opened.v1 ETREAT");

  const path = `/v1/break-glass/${text(opened.body, "id")}`;
  const reviewed = await auditor.client.call("PATCH", path, {
    body: { reviewed: "justified", note: "Shown by the ambulance's report" },
  });
  expect(reviewed).toMatchObject({ status: 200, body: { reviewed: "justified", reviewedBy: auditor.id } });
});
