import type { PatientView } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, givenPatient, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("a patient's internationalised address is kept in its letters, and found in either form", async () => {
  const doctor = service.someone("doctor");
  const purposeful = service.as({ ...doctor.actor, purpose: "TREAT" });
  const ids = [
    await givenPatient(doctor, { email: "Ada@münchen.de" }),
    await givenPatient(doctor, { email: "Ada@xn--mnchen-3ya.de" }),
  ];
  for (const id of ids) {
    const shown = await purposeful.get<PatientView>(`/v1/patients/${id}?unmask=email`);
    expect(shown.body.email).toBe("Ada@münchen.de");
  }
  for (const email of ["ada@münchen.de", "ada@MÜNCHEN.de", "ada@xn--mnchen-3ya.de"]) {
    const found = await doctor.post<{ items: PatientView[] }>("/v1/patients/search", { email });
    expect(found.body.items.map(({ id }) => id).sort(), email).toEqual([...ids].sort());
  }
  const patched = await doctor.patch(`/v1/patients/${ids[0]}`, { email: "a@faß.de" });
  expect(patched.status).toBe(200);
});

test("what is no mail address is refused with one fault, new or changed", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  const refused = {
    status: 400,
    body: { errors: [{ path: "email", code: "invalid_format", message: "must be a mail address" }] },
  };
  for (const email of ["a@xn--a.de", "a@раураl.com", "a@ü", "a@mün\u200bchen.de"]) {
    expect(await doctor.post("/v1/patients", { ...ADA, email }), email).toMatchObject(refused);
    expect(await doctor.patch(`/v1/patients/${id}`, { email }), email).toMatchObject(refused);
  }
  expect(await doctor.patch(`/v1/patients/${id}`, { email: "A••••n.de" })).toMatchObject({
    status: 400,
    body: { errors: [{ path: "email", message: expect.stringContaining("is a mask") }] },
  });
  expect((await doctor.patch(`/v1/patients/${id}`, { email: null })).status).toBe(200);
});
