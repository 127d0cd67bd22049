import { expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { ops } from "./support/ops.ts";
import { invite, items, registerPatient, text } from "./support/people.ts";

test("a patient opens their chart to a doctor and closes a part of it to another: files and all, at once", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const second = await invite(ops(), admin, "doctor");
  const patient = await registerPatient(ops());
  const who = { givenName: "Rowan", familyName: "Thistle", birthDate: "1974-03-08", sex: "male" };
  const id = text((await doctor.client.post("/v1/patients", { ...who, userId: patient.id })).body, "id");
  const drug = {
    patientId: id,
    medication: "Sertraline 50 MG",
    dosage: "One",
    startDate: "2026-01-02",
    status: "active",
  };
  const prescription = text((await doctor.client.post("/v1/prescriptions", drug)).body, "id");
  const form = new FormData();
  form.append("patientId", id);
  form.append("attachTo", `prescription/${prescription}`);
  form.append("files", new Blob(["A note for later"], { type: "text/plain" }), "note.txt");
  const stored = await doctor.client.call("POST", "/v1/files", { form });
  const file = `/v1/files/${text(items(stored.body)[0] ?? {}, "id")}/content`;
  const paths = [`/v1/patients/${id}`, `/v1/prescriptions/${prescription}`, file];
  const statuses = (by: typeof doctor) =>
    Promise.all(paths.map(async (path) => (await by.client.get(path)).status));
  const consents = `/v1/patients/${id}/consents`;

  expect(await statuses(second)).toEqual([404, 404, 404]);
  const opened = await patient.client.post(consents, { grantee: second.id, purpose: "TREAT" });
  expect(opened).toMatchObject({ status: 201, body: { granteeUser: { id: second.id } } });
  expect(await statuses(second)).toEqual([200, 200, 200]);
  expect((await second.client.post("/v1/prescriptions", drug)).status).toBe(404);
  const rights = items((await patient.client.get(`/v1/patients/${id}/access`)).body);
  expect(rights.map(({ reason }) => reason)).toEqual(["own", "assigned", "consent"]);
  for (const by of [doctor, second])
    expect((await by.client.post(consents, { grantee: second.id, purpose: "TREAT" })).status).toBe(403);
  const revoked = await patient.client.call("DELETE", `${consents}/${text(opened.body, "id")}`);
  expect(revoked.status).toBe(204);
  expect(await statuses(second)).toEqual([404, 404, 404]);

  const part = { type: "prescription", id: prescription };
  const closed = await patient.client.post(consents, { grantee: doctor.id, closes: part });
  expect(closed.status).toBe(201);
  expect(await statuses(doctor)).toEqual([200, 404, 404]);
  expect(await statuses(patient)).toEqual([200, 200, 200]);
});
