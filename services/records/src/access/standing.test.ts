import { newId } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const CLAIM = { diagnosisCode: "E11", diagnosis: "d", treatment: "t", amount: 1, currency: "EUR" };

/** Whatever names an account that is not the caller's, and how it answers one that will not do. */
async function acts() {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const draft = { patientId, ...CLAIM, providerId: doctor.actor.id };
  const claim = (await doctor.post<{ id: string }>("/v1/claims", draft)).body.id;
  const [userId, providerId] = ["userId", "providerId"];
  return {
    doctor,
    staff: [
      ["care team", 404, null, (id: string) => doctor.put(`/v1/patients/${patientId}/care-team/${id}`)],
      ["claim", 400, providerId, (id: string) => doctor.post("/v1/claims", { ...draft, providerId: id })],
      ["draft", 400, providerId, (id: string) => doctor.patch(`/v1/claims/${claim}`, { providerId: id })],
    ] as const,
    account: [
      ["patient", 400, userId, (id: string) => doctor.post("/v1/patients", { ...ADA, userId: id })],
      ["link", 400, userId, (id: string) => doctor.patch(`/v1/patients/${patientId}`, { userId: id })],
    ] as const,
  };
}

test("threat: an id that is nobody's becomes a member of a care team, a provider or a patient's account", async () => {
  const { staff, account } = await acts();
  const [unknown, patient, auditor] = [nobody(), nobody(), nobody()];
  service.auth.standing.set(unknown, null).set(patient, "patient").set(auditor, "auditor");
  for (const [what, status, path, act] of [...staff, ...account]) {
    const answer = await act(unknown);
    expect(answer, what).toMatchObject({ status });
    if (path) expect(answer.body, what).toMatchObject({ code: "invalid_input", errors: [{ path }] });
  }
  for (const [what, status, , act] of staff) {
    for (const id of [patient, auditor]) expect(await act(id), what).toMatchObject({ status });
  }
  const { rows } = await service.context.pool.query("select from care_team where user_id = any($1::uuid[])", [
    [unknown, patient, auditor],
  ]);
  expect(rows).toEqual([]);
  for (const [what, , , act] of [...account].reverse()) {
    const another = newId();
    service.auth.standing.set(another, "patient");
    expect((await act(another)).status, what).toBeLessThan(300);
  }
  for (const [what, , , act] of staff) expect((await act(nobody())).status, what).toBeLessThan(300);
});

test("auth is asked with the caller's own assertion, and not about the caller", async () => {
  const { doctor, staff } = await acts();
  service.auth.asked.length = 0;
  for (const [what, , , act] of staff) expect((await act(doctor.actor.id)).status, what).toBeLessThan(300);
  expect(service.auth.asked).toEqual([]);
  const id = newId();
  await staff[0][3](id);
  const [question] = service.auth.asked;
  expect(question?.path).toBe(`/internal/users/${id}`);
  const claims = JSON.parse(Buffer.from(question?.assertion.split(".")[1] ?? "", "base64url").toString());
  expect(claims.sub).toBe(doctor.actor.id);
});

test("threat: clients log out when auth's clock is off: what records asks it is 503 clock_skew, not 401", async () => {
  const { staff, account } = await acts();
  const id = newId();
  service.auth.standing.set(id, "untimely");
  for (const [what, , , act] of [...staff, ...account]) {
    expect(await act(id), what).toMatchObject({ status: 503, body: { code: "clock_skew" } });
  }
});

test("while auth cannot say, nobody is put anywhere: 503", async () => {
  const { staff, account } = await acts();
  for (const status of [403, 500, 503]) {
    const id = newId();
    service.auth.standing.set(id, status);
    for (const [what, , , act] of [...staff, ...account]) {
      expect(await act(id), what).toMatchObject({ status: 503, body: { code: "unavailable" } });
    }
  }
  const away = await startRecords({ env: { MEDVAULT_AUTH_URL: "http://127.0.0.1:1" } });
  try {
    const doctor = away.someone("doctor");
    const patientId = await givenPatient(doctor);
    const answer = await doctor.put(`/v1/patients/${patientId}/care-team/${newId()}`);
    expect(answer).toMatchObject({ status: 503 });
    expect(answer.headers.get("retry-after")).not.toBeNull();
  } finally {
    await away.close();
  }
});
