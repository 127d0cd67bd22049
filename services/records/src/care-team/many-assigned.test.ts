import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("someone is put on the care teams of many patients, and each of them is named in the one event", async () => {
  const [admin, doctor, colleague] = [
    service.someone("admin"),
    service.someone("doctor"),
    service.someone("doctor"),
  ];
  const patients = [await givenPatient(doctor), await givenPatient(doctor), await givenPatient(colleague)];
  await service.events();
  const body = { userId: colleague.actor.id, patientIds: patients };
  expect(await admin.post("/v1/care-team", body)).toMatchObject({
    status: 200,
    body: { assigned: 2, present: 1, notFound: [] },
  });
  expect(await service.events()).toMatchObject([
    {
      type: "medvault.records.careteam.assigned.v1",
      subject: `user/${colleague.actor.id}`,
      data: {
        patientIds: expect.arrayContaining(patients),
        details: { memberId: colleague.actor.id, added: 2 },
      },
    },
  ]);
  for (const id of patients) expect(await colleague.get(`/v1/patients/${id}`)).toMatchObject({ status: 200 });
  expect(await admin.post("/v1/care-team", body)).toMatchObject({ body: { assigned: 0, present: 3 } });
});

test("patients out of reach are not told from those who are not there, and nothing of theirs changes", async () => {
  const [doctor, other, colleague] = [
    service.someone("doctor"),
    service.someone("doctor"),
    service.someone("doctor"),
  ];
  const own = await givenPatient(doctor);
  const [theirs, none] = [await givenPatient(other), nobody()];
  const body = { userId: colleague.actor.id, patientIds: [own, theirs, none] };
  expect(await doctor.post("/v1/care-team", body)).toMatchObject({
    status: 200,
    body: { assigned: 1, present: 0, notFound: [theirs, none] },
  });
  expect(await colleague.get(`/v1/patients/${theirs}`)).toMatchObject({ status: 404 });
});

test("who is no active account of staff is put on no care team, nor by a patient, nor for too many at once", async () => {
  const [admin, doctor] = [service.someone("admin"), service.someone("doctor")];
  const [id, stranger] = [await givenPatient(doctor), nobody()];
  service.auth.standing.set(stranger, null);
  const body = { userId: stranger, patientIds: [id] };
  expect(await admin.post("/v1/care-team", body)).toMatchObject({ status: 404 });
  service.auth.standing.set(stranger, "patient");
  expect(await admin.post("/v1/care-team", body)).toMatchObject({ status: 404 });
  const many = { userId: doctor.actor.id, patientIds: Array.from({ length: 501 }, nobody) };
  expect(await admin.post("/v1/care-team", many)).toMatchObject({ status: 400 });
  const patient = service.someone("patient");
  const asked = { userId: doctor.actor.id, patientIds: [id] };
  expect(await patient.post("/v1/care-team", asked)).toMatchObject({ status: 403 });
});

test("a repeated answer still wants the patients in reach", async () => {
  const [doctor, colleague] = [service.someone("doctor"), service.someone("doctor")];
  const id = await givenPatient(doctor);
  const body = { userId: colleague.actor.id, patientIds: [id] };
  const headers = { "idempotency-key": "once" };
  const first = await doctor.post("/v1/care-team", body, { headers });
  expect(await doctor.post("/v1/care-team", body, { headers })).toMatchObject({
    status: 200,
    body: first.body,
  });
  await service.someone("admin").delete(`/v1/patients/${id}/care-team/${doctor.actor.id}`);
  expect(await doctor.post("/v1/care-team", body, { headers })).toMatchObject({ status: 404 });
});
