import { SearchLoading, SearchMemoryFull } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  ADA,
  givenPatient,
  givenPrescription,
  type Known,
  type Records,
  startRecords,
} from "../test/harness.ts";
import { openSearch } from "./search/search.service.ts";

let service: Records;
let doctor: TestClient;
beforeEach(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterEach(() => service?.close());

const FORM = { headers: { "content-type": "application/x-www-form-urlencoded" } };
const SEARCHES: readonly ((by: TestClient) => ReturnType<TestClient["post"]>)[] = [
  (by) => by.post("/v1/patients/search", { q: "marsh" }),
  (by) => by.post("/v1/patients/search", { birthDate: ADA.birthDate, nationalId: ADA.nationalId }),
  (by) => by.post("/v1/prescriptions/search", { q: "acetyl" }),
  (by) => by.post("/v1/fhir/Patient/_search", "family=marsh", FORM),
];
const bundle = (family: string) => ({
  resourceType: "Bundle",
  type: "collection",
  entry: [
    {
      resource: {
        resourceType: "Patient",
        name: [{ family, given: ["Ada"] }],
        birthDate: ADA.birthDate,
        gender: "female",
      },
    },
  ],
});

/** A search whose memory has room for nobody. */
function withoutMemory(): void {
  const { pool: db, keyring } = service.context;
  Object.assign(service.context, { search: openSearch({ db, primary: db, keyring }, 0.0001) });
}

/** A search that is being loaded. */
function whileLoading(): void {
  const loading = () => Promise.reject(new SearchLoading(12));
  Object.assign(service.context.search, { rows: loading, patients: loading, patientsOfEach: loading });
}

test.each([
  ["is being loaded", whileLoading, new SearchLoading(12), "2"],
  ["has no room in memory", withoutMemory, new SearchMemoryFull(), "60"],
] as const)(
  "a search that %s is refused with when to come back, and finds nobody short",
  async (_what, make, error, retryAfter) => {
    await givenPrescription(doctor, await givenPatient(doctor));
    make();
    for (const search of SEARCHES) {
      const answer = await search(doctor);
      expect(answer).toMatchObject({ status: 503, body: { code: error.code, detail: error.message } });
      expect(answer.headers.get("retry-after")).toBe(retryAfter);
    }
    // What no index in memory is asked for is answered.
    const numbered = await doctor.post("/v1/patients/search", { nationalId: ADA.nationalId });
    expect(numbered).toMatchObject({ status: 200, body: { items: [{ familyName: ADA.familyName }] } });
    expect(await doctor.post("/v1/prescriptions/search", { q: "~" })).toMatchObject({ status: 200 });
  },
);

test.each([
  ["is being loaded", whileLoading],
  ["has no room in memory", withoutMemory],
] as const)(
  "while the search %s, a registration and an import go on by numbers, and say that names were not looked for",
  async (_what, make) => {
    const id = await givenPatient(doctor);
    const loaded = await doctor.post("/v1/fhir", bundle(ADA.familyName));
    expect(loaded.body).toMatchObject({ possibleDuplicates: [id] });
    expect(loaded.body).not.toHaveProperty("duplicatesChecked");
    make();
    const made = await doctor.post<Known>("/v1/patients", ADA);
    expect(made).toMatchObject({ status: 201, body: { possibleDuplicates: [id], duplicatesChecked: false } });
    const { nationalId: _, ...unnumbered } = ADA;
    expect(await doctor.post("/v1/patients", unnumbered)).toMatchObject({
      status: 201,
      body: { possibleDuplicates: [], duplicatesChecked: false },
    });
    expect(await doctor.post("/v1/fhir", bundle("Marsh"))).toMatchObject({
      status: 200,
      body: { patient: "created", possibleDuplicates: [], duplicatesChecked: false },
    });
    const self = service.someone("patient");
    const own = await self.post<object>("/v1/patients", { ...ADA, userId: self.actor.id });
    expect(own.status).toBe(201);
    expect(own.body).not.toHaveProperty("duplicatesChecked");
  },
);
