import { type TestClient, watchStatements } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Known,
  nobody,
  type Records,
  startRecords,
} from "../../test/harness.ts";

const RECORD = { type: "note", title: "Seen", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
const CLAIM = {
  providerId: nobody(),
  diagnosisCode: "E11.9",
  diagnosis: "d",
  treatment: "t",
  amount: 1,
  currency: "EUR",
};

// What each request sends to Postgres, `begin` and `commit` too: one more is a round trip that
// every user waits for.
let service: Records;
let doctor: TestClient;
let statements: ReturnType<typeof watchStatements>;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
  statements = watchStatements();
});
afterAll(async () => {
  statements?.stop();
  await service?.close();
});

async function count(request: () => Promise<{ status: number }>): Promise<number> {
  statements.clear();
  const { status } = await request();
  expect(status).toBeLessThan(300);
  return statements.texts.length;
}

test("a request sends no more statements than it needs", async () => {
  const patientId = await givenPatient(doctor);
  await doctor.post(`/v1/patients/${patientId}/records`, RECORD); // the clinician's key is made once
  const keyed = (key: string) =>
    doctor.post("/v1/prescriptions", { patientId, ...ASPIRIN }, { headers: { "idempotency-key": key } });
  await keyed("first"); // the table's key is made once, and read once a minute
  const prescription = await givenPrescription(doctor, patientId);
  const record = (await doctor.post<Known>(`/v1/patients/${patientId}/records`, RECORD)).body.id;
  const claim = (await doctor.post<Known>("/v1/claims", { ...CLAIM, patientId })).body.id;
  const search = (of: string, body: object) => doctor.post(`/v1/${of}/search`, body);
  const requests: [number, string, () => Promise<{ status: number }>][] = [
    [
      10, // two of them ask the index who has the same name and birth date
      "create patient",
      () =>
        doctor.post("/v1/patients", {
          givenName: "A",
          familyName: "B",
          birthDate: "1990-01-01",
          sex: "male",
        }),
    ],
    [2, "read patient", () => doctor.get(`/v1/patients/${patientId}`)],
    [2, "list patients", () => doctor.get("/v1/patients")],
    [8, "change patient", () => doctor.patch(`/v1/patients/${patientId}`, { phone: "1" })],
    [2, "create prescription", () => doctor.post("/v1/prescriptions", { patientId, ...ASPIRIN })],
    [2, "create prescription, with a key", () => keyed("k")],
    [2, "read prescription", () => doctor.get(`/v1/prescriptions/${prescription}`)],
    [11, "read over FHIR", () => doctor.get(`/v1/fhir/MedicationRequest/${prescription}`)],
    [2, "list prescriptions", () => doctor.get("/v1/prescriptions")],
    [3, "list a patient's prescriptions", () => doctor.get(`/v1/prescriptions?patientId=${patientId}`)],
    [4, "search prescriptions", () => search("prescriptions", { q: "ada acetyl" })],
    [4, "search a patient's prescriptions", () => search("prescriptions", { q: "acetyl", patientId })],
    [3, "search for what nobody has", () => search("prescriptions", { q: "zzz" })],
    [4, "search patients", () => search("patients", { q: "marsh", birthDate: "1971-02-03", email: "ada" })],
    [4, "search patients by number", () => search("patients", { nationalId: "S1234567D" })],
    [
      5,
      "search patients by name and number",
      () => search("patients", { nationalId: "S1234567D", q: "marsh" }),
    ],
    [6, "replace prescription", () => doctor.put(`/v1/prescriptions/${prescription}`, ASPIRIN)],
    [6, "delete prescription", () => doctor.delete(`/v1/prescriptions/${prescription}`)],
    [3, "create record", () => doctor.post(`/v1/patients/${patientId}/records`, RECORD)],
    [2, "read record", () => doctor.get(`/v1/records/${record}`)],
    [3, "list records", () => doctor.get(`/v1/patients/${patientId}/records`)],
    [7, "revise record", () => doctor.put(`/v1/records/${record}`, RECORD)],
    [3, "list versions", () => doctor.get(`/v1/records/${record}/versions`)],
    [6, "hide record", () => doctor.delete(`/v1/records/${record}`)],
    [2, "create claim", () => doctor.post("/v1/claims", { ...CLAIM, patientId })],
    [2, "read claim", () => doctor.get(`/v1/claims/${claim}`)],
    [2, "list claims", () => doctor.get("/v1/claims")],
    [6, "amend claim", () => doctor.patch(`/v1/claims/${claim}`, { amount: 2 })],
    [6, "submit claim", () => doctor.post(`/v1/claims/${claim}/submit`)],
    [9, "export", () => doctor.get(`/v1/fhir/Patient/${patientId}/$everything`)],
  ];
  for (const [most, what, request] of requests) {
    await search("prescriptions", { q: "acetyl" }); // takes in what the request before changed
    expect(await count(request), what).toBe(most);
  }
});
