import { readPdf, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ADA,
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Known,
  type Records,
  startRecords,
} from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const summaryOf = (by: TestClient, patientId: string, query = "") =>
  by.get(`/internal/patients/${patientId}/summary${query}`);

async function givenChart() {
  const [doctor, account] = [service.someone("doctor"), service.someone("patient")];
  service.auth.names.set(doctor.actor.id, "Grace Hopper");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const add = (type: string, title: string, occurredAt: string) =>
    doctor.post<Known>(`/v1/patients/${patientId}/records`, {
      type,
      title,
      body: `Body of ${title}.`,
      occurredAt,
    });
  await add("note", "Early note", "2020-05");
  await add("allergy", "Penicillin", "2019");
  await add("diagnosis", "Hypertension", "2021-02-03");
  await add("lab", "Late lab", "2024-01-02");
  await givenPrescription(doctor, patientId, { notes: "Nach dem Essen." });
  await doctor.post("/v1/claims", {
    ...{ patientId, providerId: doctor.actor.id, diagnosisCode: "I10", diagnosis: "Essential hypertension" },
    ...{ treatment: "Tablets", amount: 12_050, currency: "EUR" },
  });
  const booked = {
    patientId,
    doctorId: doctor.actor.id,
    startsAt: "2027-01-04T10:00:00Z",
    endsAt: "2027-01-04T10:30:00Z",
  };
  expect((await doctor.post("/v1/appointments", booked)).status).toBe(201);
  return { doctor, account, patientId };
}

test("a summary has the whole chart in its order: the patient, allergies, diagnoses, and all else with dates and authors", async () => {
  const { doctor, account, patientId } = await givenChart();
  await service.events();
  for (const reader of [doctor, account]) {
    const answer = await summaryOf(reader, patientId);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/pdf");
    const { text } = await readPdf(answer.bytes);
    const order = [
      ...[
        `${ADA.givenName} ${ADA.familyName}`,
        ADA.birthDate,
        "Allergies",
        "2019",
        "Penicillin",
        "Grace Hopper",
      ],
      ...[
        "Diagnoses",
        "2021-02-03",
        "Hypertension",
        "Records",
        "Late lab",
        "Body of Late lab.",
        "Early note",
      ],
      ...[
        "Prescriptions",
        ASPIRIN.medication,
        "Nach dem Essen.",
        "Claims",
        "Essential hypertension",
        "120.50 EUR",
      ],
      ...["Appointments", "2027-01-04 10:00"],
    ].map((said) => said.replace(/\s/g, ""));
    let at = 0;
    for (const said of order) {
      const next = text.indexOf(said, at);
      expect(next, said).toBeGreaterThanOrEqual(at);
      at = next;
    }
    expect(text.match(/Penicillin/g)).toHaveLength(2); // the title and the text, once
    expect(text).not.toContain(ADA.nationalId);
  }
  const types = (await service.events()).filter(({ type }) => type.endsWith("patient.summarised.v1"));
  expect(types.map(({ data }) => [data.actor?.id, data.patientIds, data.action])).toEqual(
    [doctor, account].map((who) => [who.actor.id, [patientId], "fhir:export"]),
  );
});

test("a summary of more rows than a page of a list has all of them, each once", async () => {
  const { doctor, patientId } = await givenChart();
  const names = Array.from({ length: 120 }, (_, at) => `Drug-${String(at).padStart(3, "0")}`);
  for (const medication of names) await givenPrescription(doctor, patientId, { medication });
  const { text, pages } = await readPdf((await summaryOf(doctor, patientId)).bytes);
  expect([...new Set(text.match(/Drug-\d{3}/g))].sort()).toEqual(names);
  expect(text.match(/Drug-\d{3}/g)).toHaveLength(names.length);
  expect(pages).toBeGreaterThan(5);
});

test("threat: a summary shows what its reader may not see; another's chart is 404, fields stay masked without a purpose", async () => {
  const { doctor, patientId } = await givenChart();
  expect((await summaryOf(service.someone("doctor"), patientId)).status).toBe(404);
  expect((await summaryOf(service.someone("patient"), patientId)).status).toBe(404);
  expect((await summaryOf(service.someone("auditor"), patientId)).status).toBe(403);
  expect((await summaryOf(doctor, patientId, "?unmask=nationalId")).body).toMatchObject({
    code: "purpose_required",
  });
  const narrow = service.as({
    ...doctor.actor,
    permissions: new Set(["fhir:export:assigned", "patient:read:assigned", "prescription:read:assigned"]),
  });
  const { text } = await readPdf((await summaryOf(narrow, patientId)).bytes);
  expect(text).toContain("Prescriptions");
  for (const hidden of ["Penicillin", "Hypertension", "Claims", "Appointments"])
    expect(text).not.toContain(hidden);
  const treating = service.as({ ...doctor.actor, purpose: "TREAT" });
  const unmasked = await readPdf((await summaryOf(treating, patientId, "?unmask=nationalId")).bytes);
  expect(unmasked.text).toContain(ADA.nationalId);
});

test("threat: what a patient closed is printed; a closed row is not, and a closed part says so", async () => {
  const { doctor, account, patientId } = await givenChart();
  const secret = await givenPrescription(doctor, patientId, { medication: "Naltrexone 50 MG" });
  const closing = (closes: object) =>
    account.post(`/v1/patients/${patientId}/consents`, { grantee: doctor.actor.id, closes });
  expect((await closing({ type: "prescription", id: secret })).status).toBe(201);
  expect((await closing({ type: "record" })).status).toBe(201);
  const { text } = await readPdf((await summaryOf(doctor, patientId)).bytes);
  expect(text).toContain(ASPIRIN.medication.replace(/\s/g, ""));
  for (const closed of ["Naltrexone", "Penicillin", "Latelab"]) expect(text).not.toContain(closed);
  expect(text.match(/Thepatienthasclosedthispart/g)).toHaveLength(3);
  expect((await doctor.post(`/v1/prescriptions/${secret}/pdf`, {})).status).toBe(404);
  expect((await account.post(`/v1/prescriptions/${secret}/pdf`, {})).status).toBe(201);
});
