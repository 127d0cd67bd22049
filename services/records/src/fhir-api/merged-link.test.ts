import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hospital, load } from "../../test/fhir.ts";
import { givenPatient, givenPrescription, nobody, type Records, startRecords } from "../../test/harness.ts";
import { secondOpinion } from "../../test/r4-validator.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

type Link = { other: { reference: string }; type: string };
type Resource = { resourceType: string; id: string; link?: Link[]; [field: string]: unknown };
interface Bundle {
  total: number;
  link: { relation: string; url: string }[];
  entry: { fullUrl: string; resource: Resource }[];
}

const everything = (by: TestClient, id: string, query = "") =>
  by.get<Bundle>(`/v1/fhir/Patient/${id}/$everything${query}`);

/** One chart from another server, and one that was written here; each of a doctor of its own. */
async function givenTwo() {
  const [one, two] = [service.someone("doctor"), service.someone("doctor")];
  const { patient, lab } = hospital("MERGE-1", `http://${nobody()}.example/fhir`);
  const link = [{ other: { reference: "Patient/elsewhere" }, type: "seealso" }];
  const merged = String((await load(two, [patient({ link }), lab()])).body.patientId);
  const survivor = await givenPatient(one);
  await givenPrescription(one, survivor);
  await one.put(`/v1/patients/${survivor}/care-team/${two.actor.id}`);
  return { one, two, survivor, merged, theirs: [patient({ link }), lab()] };
}

test("a merged chart is exported whole by either id, with both Patients, which say whom they replace", async () => {
  const { one, two, survivor, merged, theirs } = await givenTwo();
  expect((await two.post(`/v1/patients/${survivor}/merge`, { from: merged })).status).toBe(200);
  const [whole] = [(await everything(one, survivor)).body];
  expect(whole.total).toBe(4);
  for (const [by, id] of [
    [one, merged],
    [two, merged],
    [two, survivor],
  ] as const) {
    expect((await everything(by, id)).body).toMatchObject({ total: 4, entry: whole.entry });
  }
  for (const { resource } of whole.entry) expect(secondOpinion(resource)).toEqual([]);
  const [patientUrl, labUrl] = theirs.map(({ fullUrl }) => fullUrl);
  const byUrl = new Map(whole.entry.map(({ fullUrl, resource }) => [fullUrl, resource]));
  expect(byUrl.get(`urn:uuid:${survivor}`)?.link).toEqual([
    { other: { reference: patientUrl }, type: "replaces" },
  ]);
  expect(byUrl.get(String(patientUrl))?.link).toEqual([
    { other: { reference: "Patient/elsewhere" }, type: "seealso" },
    { other: { reference: `urn:uuid:${survivor}` }, type: "replaced-by" },
  ]);
  expect(byUrl.get(String(labUrl))).toMatchObject({ subject: { reference: patientUrl } });

  // In pages, too, and as each resource is read.
  const paged: Bundle["entry"] = [];
  for (let url: string | undefined = `/v1/fhir/Patient/${merged}/$everything?_count=1`; url; ) {
    const page: Bundle = (await one.get<Bundle>(url)).body;
    paged.push(...page.entry);
    url = page.link.find(({ relation }) => relation === "next")?.url;
  }
  expect(paged).toEqual(whole.entry);
  for (const id of [survivor, merged]) {
    expect((await one.get(`/v1/fhir/Patient/${id}`)).body).toMatchObject({ id: survivor });
    const { body } = await one.get<Bundle>(`/v1/fhir/Observation?patient=${id}`);
    expect(body.entry.map(({ resource }) => resource.subject)).toMatchObject([
      { reference: `Patient/${survivor}` },
    ]);
  }
});

test("an import finds the one chart by the numbers of either, and unmerged each its own again", async () => {
  const { one, two, survivor, merged, theirs } = await givenTwo();
  const before = (await everything(two, merged)).body;
  await two.post(`/v1/patients/${survivor}/merge`, { from: merged });
  const again = await load(one, theirs);
  expect(again).toMatchObject({
    status: 200,
    body: { patientId: survivor, patient: "matched", existing: 2, possibleDuplicates: [] },
  });
  await two.post(`/v1/patients/${merged}/unmerge`);
  expect((await everything(two, merged)).body).toEqual(before);
  expect((await everything(one, survivor)).body.total).toBe(2);
  expect((await everything(one, merged)).status).toBe(404);
  const elsewhere = await load(one, theirs);
  expect(elsewhere.body).toMatchObject({ patient: "created" });
  expect([survivor, merged]).not.toContain(elsewhere.body.patientId);
});
