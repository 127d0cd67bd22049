import type { PatientView } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const someone = { sex: "unknown" };

test.each([
  [{ givenName: "Suharti" }, { givenName: "Suharti", familyName: "", birthDate: null }],
  [
    { familyName: "Suharti", givenName: null },
    { givenName: "", familyName: "Suharti" },
  ],
  [
    { familyName: "Aung", givenName: "", birthDate: "1980" },
    { familyName: "Aung", birthDate: "1980" },
  ],
  [{ familyName: "Aung", birthDate: "1980-05" }, { birthDate: "1980-05" }],
  [{ familyName: "Aung", birthDate: "1871-12-31" }, { birthDate: "1871-12-31" }],
  [{ familyName: "Aung", birthDate: null }, { birthDate: null }],
])("a person is registered as far as they are known: %j", async (known, shown) => {
  const doctor = service.someone("doctor");
  const made = await doctor.post<PatientView>("/v1/patients", { ...someone, ...known });
  expect(made).toMatchObject({ status: 201, body: shown });
  expect((await doctor.get(`/v1/patients/${made.body.id}`)).body).toMatchObject(shown);
});

test.each([
  [{}, "familyName"],
  [{ givenName: "", familyName: null }, "familyName"],
  [{ familyName: "  " }, "familyName"],
  [{ familyName: "\u200b\u2060" }, "familyName"],
  [{ familyName: "Aung", birthDate: "31/01/1980" }, "birthDate"],
  [{ familyName: "Aung", birthDate: "1980-02-30" }, "birthDate"],
  [{ familyName: "Aung", birthDate: "1980-13" }, "birthDate"],
  [{ familyName: "Aung", birthDate: "0000" }, "birthDate"],
  [{ familyName: "Aung", birthDate: "9999" }, "birthDate"],
  [{ familyName: "Aung", birthDate: "" }, "birthDate"],
])("nobody and no day are refused, each by one fault: %j", async (known, path) => {
  const refused = await service.someone("doctor").post("/v1/patients", { ...someone, ...known });
  expect(refused).toMatchObject({ status: 400, body: { code: "invalid_input", errors: [{ path }] } });
  expect((refused.body as { errors: unknown[] }).errors).toHaveLength(1);
});

test("one part of a name can be taken back, both cannot", async () => {
  const doctor = service.someone("doctor");
  const { body } = await doctor.post<PatientView>("/v1/patients", ADA);
  const patched = await doctor.patch(`/v1/patients/${body.id}`, { givenName: null, birthDate: "1971" });
  expect(patched).toMatchObject({
    status: 200,
    body: { givenName: "", familyName: ADA.familyName, birthDate: "1971" },
  });
  expect(await doctor.patch(`/v1/patients/${body.id}`, { familyName: "" })).toMatchObject({
    status: 400,
    body: { errors: [{ path: "familyName" }] },
  });
});

test("a person is found by every name that they have or had, however it is typed", async () => {
  const doctor = service.someone("doctor");
  const name = [
    { use: "official", family: "Åkesson-O'Brien", given: ["Zoë", "Karin"] },
    { use: "maiden", family: "Łaska" },
    { use: "old", text: "Юлия Щербакова", period: { end: "1999" } },
    { use: "nickname", given: ["花子"] },
  ];
  const resource = { resourceType: "Patient", name, birthDate: "1980-05" };
  const bundle = { resourceType: "Bundle", type: "transaction", entry: [{ resource }] };
  const { body } = await doctor.post<{ patientId: string }>("/v1/fhir", bundle);
  const found = async (query: object) =>
    (await doctor.post<{ items: PatientView[] }>("/v1/patients/search", query)).body.items;
  for (const q of ["Åkesson, Zoe", "karin akesson", "o brien", "OBrien", "laska", "shcherbakova", "子"]) {
    const [patient, ...others] = await found({ q });
    expect([patient?.id, others.length], q).toEqual([body.patientId, 0]);
    expect(patient).toMatchObject({ familyName: "Åkesson-O'Brien", birthDate: "1980-05" });
  }
  expect(await found({ birthDate: "1980-05", q: "zoe laska" })).toHaveLength(1);
  expect(await found({ q: "'-" })).toEqual([]);
  expect(await found({ q: "zoe weber" })).toEqual([]);

  const prescription = { medication: "Metformin", dosage: "500 mg", startDate: "2026-01-02" };
  await doctor.post("/v1/prescriptions", { ...prescription, patientId: body.patientId });
  for (const [q, hits] of [
    ["Åkesson, Zoe", 1],
    ["metfor", 1],
    ["%", 0],
    ["weber", 0],
  ] as const) {
    const search = await doctor.post<{ items: unknown[] }>("/v1/prescriptions/search", { q });
    expect(search.body.items, q).toHaveLength(hits);
  }
});
