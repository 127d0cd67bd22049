import type { PrescriptionPdf, PrescriptionVerification } from "@medvault/contracts";
import { readPdf, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import {
  ADA,
  ASPIRIN,
  givenPatient,
  givenPrescription,
  nobody,
  type Records,
  startRecords,
} from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  const env = {
    MEDVAULT_CLINIC_NAME: "Praxis Müller",
    MEDVAULT_CLINIC_ADDRESS: "Hauptstraße 1; 10115 Berlin",
  };
  service = await startRecords({ env });
});
afterAll(() => service?.close());

const PASSWORD = "seven quiet otters";
const pdfOf = (by: TestClient, id: string, body: object = { password: PASSWORD }, query = "") =>
  by.post<z.infer<typeof PrescriptionPdf>>(`/v1/prescriptions/${id}/pdf${query}`, body);
const verify = (code: string) =>
  service.someone("guest").post<PrescriptionVerification>("/v1/prescriptions/verify", { code });

async function givenPrinted(fields: object = {}) {
  const [doctor, account] = [service.someone("doctor"), service.someone("patient")];
  service.auth.names.set(doctor.actor.id, "Grace Hopper");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const id = await givenPrescription(doctor, patientId, fields);
  return { doctor, account, patientId, id };
}

async function givenCode(doctor: TestClient, id: string): Promise<string> {
  const { bytes } = await pdfOf(doctor, id);
  const { text } = await readPdf(bytes, PASSWORD);
  return /([0-9A-Z]{5}-){3}[0-9A-Z]{5}/.exec(text)?.[0] ?? "no code";
}

test("a prescription is printed for whoever reads it, under the password that they choose", async () => {
  const { doctor, account, id, patientId } = await givenPrinted({ notes: "Nach dem Essen." });
  await service.events();
  for (const reader of [doctor, account]) {
    const made = await pdfOf(reader, id);
    expect(made.status).toBe(200);
    expect(Object.fromEntries(made.headers)).toMatchObject({
      "content-type": "application/pdf",
      "content-disposition": 'attachment; filename="prescription.pdf"',
      "cache-control": "private, no-store",
      "x-content-type-options": "nosniff",
    });
    const { text } = await readPdf(made.bytes, PASSWORD);
    for (const said of [
      "Praxis Müller",
      ASPIRIN.medication,
      "Nach dem Essen.",
      ADA.birthDate,
      "Grace Hopper",
      id,
    ])
      expect(text).toContain(said.replace(/\s/g, ""));
    expect(text).not.toContain(ADA.nationalId);
    await expect(readPdf(made.bytes, "another password")).rejects.toThrow();
  }
  const exported = (await service.events()).filter(({ type }) => type.includes("exported"));
  expect(exported.map(({ type, data }) => [type, data.actor?.id, data.patientIds])).toEqual(
    [doctor, account].map((who) => ["medvault.records.prescription.exported.v1", who.actor.id, [patientId]]),
  );
});

test("without a password a random one is made, shown once, and kept nowhere", async () => {
  const { doctor, id } = await givenPrinted();
  for (const body of [{}, undefined]) {
    const made = await doctor.post<z.infer<typeof PrescriptionPdf>>(`/v1/prescriptions/${id}/pdf`, body, {
      headers: { "idempotency-key": "one-key" },
    });
    expect(made.status).toBe(201);
    const { password, pdf } = made.body;
    expect(password).toMatch(/^([a-z2-9]{6}-){3}[a-z2-9]{6}$/);
    const { text } = await readPdf(Buffer.from(pdf, "base64"), password);
    expect(text).toContain(ADA.givenName);
    const code = /([0-9A-Z]{5}-){3}[0-9A-Z]{5}/.exec(text)?.[0] ?? "no code";
    const kept = await service.dump();
    for (const secret of [password, code, code.replaceAll("-", ""), "%PDF"])
      expect(kept).not.toContain(secret);
  }
});

test("threat: a password that is guessed opens the document for anyone; weak ones are refused", async () => {
  const { doctor, id } = await givenPrinted();
  for (const [password, fault] of [
    ["short", "too_short"],
    ["elevenchars", "too_short"],
    ["aaaaaaaaaaaaaa", "common_pattern"],
    ["123456789012", "common_pattern"],
    ["qwertyuiop2026", "common_pattern"],
    ["password123!Aa", "common_password"],
    ["P4ssw0rd-Summer2026", "common_password"],
    ["Ada-Marsh-1971", "like_username"],
    ["é".repeat(64), "too_long"],
  ] as const) {
    const answer = await pdfOf(doctor, id, { password });
    expect(answer.status, password).toBe(400);
    expect(answer.body, password).toMatchObject({
      code: "weak_password",
      errors: [{ path: "password", code: fault }],
    });
  }
  for (const password of ["correct horse battery staple", "Tr7-kelp-vanilla", "ключ от тихого дома"])
    expect((await pdfOf(doctor, id, { password })).status, password).toBe(200);
});

test("threat: someone prints a prescription whose patient they do not reach; it is 404, like one that is not there", async () => {
  const { id } = await givenPrinted();
  for (const who of [service.someone("doctor"), service.someone("patient")]) {
    const strange = await pdfOf(who, id);
    const absent = await pdfOf(who, nobody());
    expect([strange.status, absent.status]).toEqual([404, 404]);
  }
  expect((await pdfOf(service.someone("auditor"), id)).status).toBe(403);
});

test("masked fields stay masked on paper, but for those that are unmasked for a purpose", async () => {
  const { doctor, id } = await givenPrinted();
  expect((await pdfOf(doctor, id, undefined, "?unmask=nationalId")).body).toMatchObject({
    code: "purpose_required",
  });
  const treating = service.as({ ...doctor.actor, purpose: "TREAT" });
  await service.events();
  const { bytes, status } = await pdfOf(treating, id, { password: PASSWORD }, "?unmask=nationalId");
  expect(status).toBe(200);
  const { text } = await readPdf(bytes, PASSWORD);
  expect(text).toContain(ADA.nationalId);
  expect(text).not.toContain(ADA.address.replace(/\s/g, ""));
  const unmasked = (await service.events()).find(({ type }) => type.endsWith("unmasked.v1"));
  expect(unmasked?.data).toMatchObject({ fields: ["nationalId"], purpose: "TREAT" });
});

test("the code on a page leads to its signature, for anyone, however it is typed", async () => {
  const { doctor, id, patientId } = await givenPrinted();
  const code = await givenCode(doctor, id);
  await service.events();
  for (const typed of [code, code.toLowerCase(), code.replaceAll("-", " "), code.replaceAll("0", "o")]) {
    const answer = await verify(typed);
    expect(answer.status, typed).toBe(200);
    expect(answer.body).toMatchObject({ valid: true, status: "current", signedBy: "Grace Hopper" });
  }
  const { body } = await verify(code);
  expect(JSON.parse(body.statement)).toMatchObject({
    ...{ prescriptionId: id, revision: 1, prescribedBy: doctor.actor.id, contentHash: body.contentHash },
  });
  for (const phi of [patientId, ADA.givenName, ADA.birthDate, ASPIRIN.medication])
    expect(JSON.stringify(body)).not.toContain(phi);
  const events = (await service.events()).map(({ type, data }) => [type, data.patientIds, data.details]);
  expect(events).toContainEqual([
    "medvault.records.prescription-document.verified.v1",
    [patientId],
    { valid: true, status: "current" },
  ]);
});

test("a page says replaced once its prescription was changed, and withdrawn once it was taken back or deleted", async () => {
  const { doctor, id } = await givenPrinted();
  const code = await givenCode(doctor, id);
  const changed = await doctor.put(`/v1/prescriptions/${id}`, { ...ASPIRIN, dosage: "Two tablets" });
  expect(changed.status).toBe(200);
  expect((await verify(code)).body).toMatchObject({ valid: true, status: "replaced" });
  const next = await givenCode(doctor, id);
  expect((await verify(next)).body).toMatchObject({ status: "current" });
  await doctor.put(`/v1/prescriptions/${id}`, { ...ASPIRIN, status: "cancelled" });
  expect((await verify(next)).body).toMatchObject({ status: "withdrawn" });
  expect((await service.someone("admin").delete(`/v1/prescriptions/${id}`)).status).toBe(204);
  for (const one of [code, next])
    expect((await verify(one)).body).toMatchObject({ valid: true, status: "withdrawn" });
});

test("threat: codes are tried out; whatever is no code of ours is one and the same 404", async () => {
  const answers = await Promise.all(
    ["00000-00000-00000-00000", "7K2QW-0F3NT-XD5VA-H9RZM", "x", "'; drop table--", "0".repeat(64)].map(
      verify,
    ),
  );
  expect(
    new Set(answers.map(({ status, body }) => `${status} ${(body as { detail?: string } & object).detail}`))
      .size,
  ).toBe(1);
  expect(answers[0]?.status).toBe(404);
});

test("threat: a row of the table is moved to another document; its code does not open it", async () => {
  const { doctor, id } = await givenPrinted();
  const [code, other] = [await givenCode(doctor, id), await givenCode(doctor, id)];
  await service.superuser(
    `update records.prescription_documents d set box = o.box from records.prescription_documents o
      where d.prescription_id = '${id}' and o.prescription_id = '${id}' and o.id <> d.id`,
  );
  for (const one of [code, other]) expect((await verify(one)).status).not.toBe(200);
});

test("a patient's documents go with them, and their codes lead nowhere", async () => {
  const { doctor, id, patientId } = await givenPrinted();
  const code = await givenCode(doctor, id);
  await service.superuser(`delete from records.patients where id = '${patientId}'`);
  expect((await verify(code)).status).toBe(404);
});
