import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

type Page = { items: { id: string }[] };
const merge = (by: TestClient, id: string, from: string) => by.post(`/v1/patients/${id}/merge`, { from });

test("a chart is found by the names and ids of all that were merged into it, and shown once", async () => {
  const doctor = service.someone("doctor");
  const survivor = await givenPatient(doctor, { givenName: "Brunhilde", nationalId: "B-1" });
  const merged = await givenPatient(doctor, { givenName: "Hildegunde", nationalId: "H-2" });
  const prescription = await givenPrescription(doctor, merged);
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
    for (const q of ["brunhilde", "hildegunde"]) {
      const { body } = await by.post<Page>("/v1/prescriptions/search", { q });
      expect(body.items.map(({ id }) => id)).toEqual([prescription]);
    }
  }
  expect(await found(service.someone("doctor"), { q: "hildegunde" })).toEqual([]);
});
