import type { FhirImportView } from "@medvault/contracts";
import { canonicalJson } from "@medvault/crypto";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bundle, droppedBundles, exampleBundles, hl7Examples } from "../../test/examples.ts";
import { type Records, startRecords } from "../../test/harness.ts";
import { secondOpinion } from "../../test/r4-validator.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { findingsOf } from "../fhir/valid.ts";

type Entry = { fullUrl?: string; resource: FhirResource };
type Page = { entry?: Entry[]; link: { relation: string; url: string }[] };

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

/** All of a chart, page by page. */
async function everything(doctor: TestClient, id: string, query: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  let path: string | undefined = `/v1/fhir/Patient/${id}/$everything?_count=500${query}`;
  while (path !== undefined) {
    const page: { status: number; body: Page } = await doctor.get<Page>(path);
    expect(page.status).toBe(200);
    entries.push(...(page.body.entry ?? []));
    const next = page.body.link.find(({ relation }) => relation === "next");
    path = next && new URL(next.url, "http://test").href.slice("http://test".length);
  }
  return entries;
}

const asData = ({ fullUrl, resource }: Entry): string => canonicalJson([fullUrl ?? null, resource]);
/** What is wrong with a resource, no matter which of the two finds it. */
const faultsOf = (resource: FhirResource): string[] => [
  ...findingsOf(resource).map(({ path, message }) => `${path.join(".")} ${message}`),
  ...secondOpinion(resource),
];

/** Loads a bundle, and gives back what $everything of its patients shows; masked as well. */
async function thereAndBack(bundle: Bundle) {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const answer = await doctor.post<FhirImportView & { errors?: object[] }>("/v1/fhir", bundle);
  const { patients = [] } = answer.body;
  const ids = [...new Set(patients.map(({ patientId }) => patientId))];
  const all = async (query: string) =>
    (await Promise.all(ids.map((id) => everything(doctor, id, query)))).flat();
  const { rows } = await service.context.pool.query<Record<"kept", number>>(
    "select count(*)::int as kept from fhir_resources where subject_id = $1",
    [doctor.actor.id],
  );
  return {
    answer,
    kept: rows[0]?.kept ?? 0,
    unmasked: await all("&unmask=nationalId,phone,email,address"),
    masked: await all(""),
  };
}

const hl7 = hl7Examples().map((resource) => ({
  fullUrl: `http://hl7.org/fhir/${resource.resourceType}/${resource.id}`,
  resource,
}));
const bundles: [string, Bundle][] = [
  ...droppedBundles(),
  ...exampleBundles(),
  ["HL7's examples", { resourceType: "Bundle", type: "collection", entry: hl7 }],
];

test.each(bundles)("%s comes back as it came, and as valid as it was", async (_name, bundle) => {
  const { answer, kept, unmasked, masked } = await thereAndBack(bundle);
  if (answer.status !== 200) {
    // Refused: whole, and with the place of each reason.
    expect(answer).toMatchObject({
      status: 400,
      body: { errors: [{ path: expect.stringMatching(/^entry\b/) }] },
    });
    return;
  }
  const sent = new Set((bundle.entry ?? []).map(asData));
  const back = unmasked.map(asData);
  expect(back.filter((one) => !sent.has(one))).toEqual([]);
  // What no patient of the bundle has to do with is kept under who loaded it.
  expect(new Set(back).size + kept).toBe(sent.size);
  const changed = masked.filter((entry) => !sent.has(asData(entry)));
  const faults = new Set((bundle.entry ?? []).flatMap(({ resource }) => faultsOf(resource)));
  expect(changed.flatMap(({ resource }) => faultsOf(resource)).filter((fault) => !faults.has(fault))).toEqual(
    [],
  );
});
