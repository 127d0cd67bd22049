import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

type Page = { items: { id: string }[] };
type Bundle = { entry?: { resource: { id: string } }[] };
const merge = (by: TestClient, id: string, from: string) => by.post(`/v1/patients/${id}/merge`, { from });

test("a chart is found by the names and ids of all that were merged into it, and shown once", async () => {
  const doctor = service.someone("doctor");
  const survivor = await givenPatient(doctor, { givenName: "Brunhilde", nationalId: "B-1" });
  const merged = await givenPatient(doctor, { givenName: "Hildegunde", nationalId: "H-2" });
  const prescriptions = [await givenPrescription(doctor, survivor), await givenPrescription(doctor, merged)];
  await merge(doctor, survivor, merged);
  const found = async (by: TestClient, search: object) => {
    const ids: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await by.post<Page & { nextCursor: string | null }>("/v1/patients/search", {
        ...search,
        limit: 1,
        ...(cursor && { cursor }),
      });
      expect(page.status).toBe(200);
      ids.push(...page.body.items.map(({ id }) => id));
      cursor = page.body.nextCursor;
    } while (cursor);
    return ids;
  };
  for (const by of [doctor, service.someone("admin")]) {
    for (const search of [
      { q: "hildegunde" },
      { nationalId: "H-2" },
      { q: "brunhilde" },
      { nationalId: "B-1" },
      { q: "hild" },
      { q: "hild", birthDate: ADA.birthDate },
    ]) {
      expect(await found(by, search), JSON.stringify(search)).toEqual([survivor]);
    }
    expect(await found(by, { q: "hildegunde", nationalId: "B-1" })).toEqual([]);
    for (const q of ["brunhilde", "hildegunde", "hildeg acetyl brunh"]) {
      const { body } = await by.post<Page>("/v1/prescriptions/search", { q });
      expect(body.items.map(({ id }) => id).toSorted(), q).toEqual(prescriptions);
    }
    const form = { headers: { "content-type": "application/x-www-form-urlencoded" } };
    for (const name of ["hildeg", "brunh"]) {
      const { body } = await by.post<Bundle>("/v1/fhir/Patient/_search", `name=${name}`, form);
      expect(
        body.entry?.map(({ resource }) => resource.id),
        name,
      ).toEqual([survivor]);
    }
  }
  expect(await found(service.someone("doctor"), { q: "hildegunde" })).toEqual([]);
});

test("what is prescribed for two charts is found by the other's name while they are one, and no longer", async () => {
  const doctor = service.someone("doctor");
  const survivor = await givenPatient(doctor, { givenName: "Sieglinde", nationalId: "S-1" });
  const merged = await givenPatient(doctor, { givenName: "Waltraute", nationalId: "W-2" });
  const own = await givenPrescription(doctor, survivor, { medication: "Survivol" });
  const other = await givenPrescription(doctor, merged, { medication: "Mergenol" });
  const found = async (q: string) =>
    (await doctor.post<Page>("/v1/prescriptions/search", { q })).body.items.map(({ id }) => id);
  const expectApart = async () => {
    expect(await found("waltraute survivol")).toEqual([]);
    expect(await found("sieglinde mergenol")).toEqual([]);
    expect(await found("sieglinde")).toEqual([own]);
  };
  await expectApart();
  await merge(doctor, survivor, merged);
  expect(await found("waltraute survivol")).toEqual([own]);
  expect(await found("sieglinde mergenol")).toEqual([other]);
  expect(await found("waltraute")).toEqual([other, own]);
  expect((await doctor.post(`/v1/patients/${survivor}/unmerge`, {})).status).toBe(200);
  await expectApart();
});

test("who registers a namesake of any patient of a merged chart is told of the chart", async () => {
  const doctor = service.someone("doctor");
  const survivor = await givenPatient(doctor, { givenName: "Ortlinde", nationalId: "O-1" });
  const merged = await givenPatient(doctor, { givenName: "Ortlinde Helmwige", nationalId: "O-2" });
  await merge(doctor, survivor, merged);
  const { nationalId: _, ...named } = ADA;
  for (const givenName of ["Ortlinde", "Ortlinde Helmwige"]) {
    const made = await doctor.post<object>("/v1/patients", { ...named, givenName });
    expect(made.body, givenName).toMatchObject({ possibleDuplicates: [survivor] });
  }
});
