import type { PrescriptionView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";
import { NOTHING_TYPED, ODD_TYPING } from "../../test/typed.ts";

let service: Records;
let doctor: TestClient;
let ada: string;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
  ada = await givenPatient(doctor, { givenName: "Ada", familyName: "Marsh" });
});
afterAll(() => service?.close());

type Page = { items: PrescriptionView[]; nextCursor: string | null };
async function find(search: object, by = doctor): Promise<string[]> {
  const answer = await by.post<Page>("/v1/prescriptions/search", { limit: 100, ...search });
  expect(answer.status, JSON.stringify(search)).toBe(200);
  return answer.body.items.map(({ id }) => id);
}

test("words are found in any order, across the patient's name and the medication, from one letter on", async () => {
  const bo = await givenPatient(doctor, { givenName: "Bo", familyName: "Metz" });
  const metformin = await givenPrescription(doctor, ada, {
    medication: "Metformin 500 MG",
    startDate: "2026-01-02",
  });
  const other = await givenPrescription(doctor, bo, {
    medication: "Metformin 850 MG",
    startDate: "2026-01-01",
  });
  for (const q of ["ada metf", "metf ada", "a met", "arsh formin 500", "mg, ada; metformin"]) {
    expect(await find({ q }), q).toEqual([metformin]);
  }
  expect(await find({ q: "metf" })).toEqual([metformin, other]);
  expect(await find({ q: "met" })).toEqual([metformin, other]);
  expect(await find({ q: "f" })).toEqual([metformin, other]);
  expect(await find({ q: "metz metf" })).toEqual([other]);
  expect(await find({ q: "ada metz" })).toEqual([]);
  expect(await find({ q: "ada metf bo" })).toEqual([]);
  expect(await find({ q: "a met", patientId: ada })).toEqual([metformin]);
  expect(await find({ q: "ada metf" }, service.someone("doctor"))).toEqual([]);
});

test("a medication is found however it is written: digits, units, signs, other scripts", async () => {
  const cases: [medication: string, typed: string[], other: string[]][] = [
    ["5-FU 50 mg/ml", ["5-FU", "5fu", "5 fu", "50mg", "50 mg/ml"], ["15fu"]],
    ["Sodium chloride 0.9%", ["0.9%", "0.9", "0,9 %", "chlor 0.9%"], ["0.8%"]],
    ["Co-amoxiclav 500/125", ["coamoxiclav", "co amoxiclav", "Co-Amoxiclav", "500/125"], []],
    ["Paracétamol 1 G", ["paracetamol", "PARACÉTAMOL", "1g", "1 g"], []],
    ["St John's wort", ["st johns", "john's wort"], []],
    ["アスピリン", ["アスピ", "ｱｽﾋﾟﾘﾝ"], []],
    ["باراسيتامول", ["باراسيت", "سيتامول"], []],
    ["אקמול", ["אקמול", "קמו"], []],
    ["ยาพาราเซตามอล", ["พารา", "เซตามอล"], []],
  ];
  const ids: string[] = [];
  for (const [medication] of cases) ids.push(await givenPrescription(doctor, ada, { medication }));
  for (const [at, [, typed, other]] of cases.entries()) {
    for (const q of typed) {
      expect(await find({ q }), q).toContain(ids[at]);
      expect(await find({ q: `${q} ada` }), q).toContain(ids[at]);
    }
    for (const q of other) expect(await find({ q }), q).not.toContain(ids[at]);
  }
});

test("a prescription is found by its code and by what the code's system calls it", async () => {
  const code = { system: "http://www.whocc.no/atc", code: "C10AA05", display: "atorvastatin" };
  const id = await givenPrescription(doctor, ada, { medication: "Lipitor", code });
  for (const q of ["c10aa", "C10AA05", "torvasta", "lipitor c10aa05 ada"])
    expect(await find({ q }), q).toEqual([id]);
});

test("nothing in a search box is refused for how it looks, and blanks and marks alone find nothing", async () => {
  await givenPrescription(doctor, ada);
  for (const q of ODD_TYPING) await find({ q });
  for (const q of NOTHING_TYPED) expect(await find({ q }), q).toEqual([]);
});

test("a search of more words than a machine word has bits asks for all of them", async () => {
  const words = Array.from({ length: 45 }, (_, n) => `${String.fromCharCode(97 + (n % 26))}${n + 10}`);
  const id = await givenPrescription(doctor, ada, { medication: words.join(" ") });
  expect(await find({ q: `${words.toReversed().join(" ")} ada` })).toEqual([id]);
  expect(await find({ q: `${words.slice(0, 44).join(" ")} zz9 ada` })).toEqual([]);
});

test("a range of starts, a status and a patient narrow a search; what has no start is in no range", async () => {
  const zoe = await givenPatient(doctor, { givenName: "Zoë", familyName: "Range" });
  const medication = "Rangeril";
  const [early, late] = [
    await givenPrescription(doctor, zoe, { medication, startDate: "2025-03", status: "stopped" }),
    await givenPrescription(doctor, zoe, { medication, startDate: "2025-05-02" }),
  ];
  const bundle = {
    resourceType: "Bundle",
    type: "collection",
    entry: [
      {
        resource: {
          ...{ resourceType: "MedicationRequest", status: "active", intent: "order" },
          subject: { reference: `Patient/${zoe}` },
          medicationCodeableConcept: { text: medication },
        },
      },
    ],
  };
  expect(await doctor.post("/v1/fhir", bundle)).toMatchObject({ status: 200 });
  const all = await find({ q: "rangeril" });
  expect(all).toHaveLength(3);
  expect(all.slice(1)).toEqual([late, early]);
  expect(await find({ q: "rangeril", from: "2025-03-01", to: "2025-03-31" })).toEqual([early]);
  expect(await find({ q: "rangeril", from: "2025-03-02" })).toEqual([late]);
  expect(await find({ q: "rangeril", from: "2000-01-01", status: "active" })).toEqual([late]);
  expect(await find({ q: "rangeril", status: "active", patientId: zoe })).toHaveLength(2);
  expect(await find({ q: "rangeril", patientId: ada })).toEqual([]);
});

test("what was changed or deleted a moment ago is found as it is now", async () => {
  const id = await givenPrescription(doctor, ada, { medication: "Formerol" });
  const path = `/v1/prescriptions/${id}`;
  expect(await find({ q: "formerol" })).toEqual([id]);
  const body = { medication: "Latterol", dosage: "1", startDate: "2026-01-01", status: "active" };
  expect((await doctor.put(path, body)).status).toBe(200);
  expect(await find({ q: "formerol" })).toEqual([]);
  expect(await find({ q: "latterol" })).toEqual([id]);
  expect((await doctor.delete(path)).status).toBe(204);
  expect(await find({ q: "latterol" })).toEqual([]);
});

test("pages follow each other to the last row, each row once, though some vanish on the way", async () => {
  const ids: string[] = [];
  for (let n = 1; n <= 7; n += 1) {
    ids.unshift(await givenPrescription(doctor, ada, { medication: "Pageril", startDate: `2026-02-0${n}` }));
  }
  const { search } = service.context;
  const { rows } = search;
  const seen: string[][] = [];
  let asked = 0;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    // Of the second page, both rows go away between the index and the reading.
    search.rows = async (...args) => {
      const hits = await rows.apply(search, args);
      asked += 1;
      if (asked === 2)
        await service.context.pool.query("delete from prescriptions where id = any($1)", [ids.slice(2, 4)]);
      return hits;
    };
    const { body }: { body: Page } = await doctor.post<Page>("/v1/prescriptions/search", {
      ...{ q: "pageril", limit: 2 },
      ...(cursor && { cursor }),
    });
    seen.push(body.items.map(({ id }) => id));
    cursor = body.nextCursor;
  }
  search.rows = rows;
  expect(seen).toEqual([ids.slice(0, 2), ids.slice(4, 6), ids.slice(6)]);
});

test("the longest medication is found by its last word, and a longer one is no prescription", async () => {
  const medication = `Longanol ${"x".repeat(500)} ${"yz ".repeat(160)}endanol`.slice(-1_000);
  const id = await givenPrescription(doctor, ada, { medication });
  expect(await find({ q: "endanol ada longanol" })).toEqual([id]);
  const order = {
    ...{ resourceType: "MedicationRequest", status: "active", intent: "order" },
    subject: { reference: `Patient/${ada}` },
    medicationCodeableConcept: { text: `Toolongol ${"x".repeat(100_000)}` },
  };
  const bundle = { resourceType: "Bundle", type: "collection", entry: [{ resource: order }] };
  const loaded = await doctor.post("/v1/fhir", bundle);
  expect(loaded).toMatchObject({ status: 200, body: { kept: { MedicationRequest: 1 } } });
  expect(await find({ q: "toolongol" })).toEqual([]);
});
