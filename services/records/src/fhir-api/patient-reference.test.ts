import { newId } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EntrySent, load } from "../../test/fhir.ts";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";
import { patientReferencesOf } from "./patient-reference.ts";

type Resource = { resourceType: string; [field: string]: unknown };
interface Page {
  entry: { fullUrl: string; resource: Resource }[];
  link: { relation: string; url: string }[];
}

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const UNMASKED = "unmask=nationalId,phone,email,address";
const TREATING = { headers: { "x-purpose": "TREAT" } };

/** A chart, read in pages of so many. */
async function everything(who: TestClient, id: unknown, count = 1_000) {
  const entries: Page["entry"] = [];
  const first = `/v1/fhir/Patient/${id}/$everything?${UNMASKED}&_count=${count}`;
  for (let url: string | undefined = first; url; ) {
    const { status, body }: { status: number; body: Page } = await who.get<Page>(url, TREATING);
    expect(status).toBe(200);
    entries.push(...body.entry);
    url = body.link.find(({ relation }) => relation === "next")?.url;
  }
  return entries;
}

/** One person, as another bundle calls them, with one resource of each table. */
function bundleOf(number: string, day: string, fullUrl = `urn:uuid:${newId()}`): EntrySent[] {
  const about = { reference: fullUrl };
  const make = (resource: Resource) => ({ fullUrl: `urn:uuid:${newId()}`, resource });
  return [
    {
      fullUrl,
      resource: {
        resourceType: "Patient",
        identifier: [{ system: "urn:oid:2.999.7.1", value: number }],
        name: [{ family: "Twice", given: ["Ida"] }],
        birthDate: "1960-01-01",
      },
    },
    make({
      ...{ resourceType: "Observation", status: "final", code: { text: `Potassium ${day}` } },
      ...{ subject: { ...about, display: "Ida" }, focus: [about], effectiveDateTime: day },
    }),
    make({
      ...{ resourceType: "AllergyIntolerance", code: { text: `Nuts ${day}` }, patient: about },
    }),
    make({
      ...{ resourceType: "MedicationRequest", status: "active", intent: "order", authoredOn: day },
      ...{ medicationCodeableConcept: { text: `Aspirin ${day}` }, subject: about },
    }),
    make({
      ...{ resourceType: "Coverage", status: "active", beneficiary: about, subscriberId: day },
      payor: [{ display: "Payer" }],
    }),
    make({
      ...{ resourceType: "Observation", status: "final", code: { text: `Of another ${day}` } },
      subject: { reference: `urn:uuid:${newId()}` },
    }),
  ];
}

const aboutOf = ({ resource }: Page["entry"][number]): unknown =>
  resource.subject ?? resource.patient ?? resource.beneficiary;

test("threat: records of a second import are in nobody's chart, once the export is loaded elsewhere", async () => {
  const [doctor, other] = [service.someone("doctor"), service.someone("doctor")];
  const number = `TWICE-${newId().slice(-12)}`;
  const [one, two] = [bundleOf(number, "2024-01-01"), bundleOf(number, "2025-02-02")];
  const { patientId } = (await load(doctor, one)).body;
  expect(await load(doctor, two)).toMatchObject({ body: { patientId, patient: "matched" } });

  const exported = await everything(doctor, patientId);
  const patient = exported.filter(({ resource }) => resource.resourceType === "Patient");
  expect(patient).toHaveLength(1);
  const reference = patient[0]?.fullUrl;
  const theirs = exported.filter(({ resource }) => !JSON.stringify(resource).includes("Of another"));
  for (const entry of theirs.slice(1)) expect(aboutOf(entry)).toMatchObject({ reference });
  // Nothing else was touched: not the other words of a reference, nor what is about somebody else.
  const sent = new Map([...one, ...two].map(({ fullUrl, resource }) => [fullUrl, resource]));
  for (const { fullUrl, resource } of exported.slice(1)) {
    const before = JSON.stringify(sent.get(fullUrl));
    const mended = before.replaceAll(String(one[0]?.fullUrl), String(reference));
    expect(resource).toEqual(JSON.parse(mended.replaceAll(String(two[0]?.fullUrl), String(reference))));
  }
  for (const count of [1, 3]) expect(await everything(doctor, patientId, count)).toEqual(exported);

  const loaded = await load(other, exported as EntrySent[], "collection");
  expect(loaded).toMatchObject({
    status: 200,
    body: {
      patient: "created",
      stored: { records: 4, prescriptions: 2 },
      kept: { Coverage: 2, Observation: 2 },
    },
  });
  expect((await load(other, exported as EntrySent[], "collection")).body.existing).toBe(exported.length);
  const found = await doctor.get<Page>(`/v1/fhir/Observation?patient=${patientId}&_count=100`);
  const subjects = found.body.entry.filter(({ resource }) => "focus" in resource).map(aboutOf);
  expect(subjects).toMatchObject(Array.from({ length: 2 }, () => ({ reference: `Patient/${patientId}` })));
});

test("a record that names its patient by our id is exported as the exported Patient's", async () => {
  const [doctor, other] = [service.someone("doctor"), service.someone("doctor")];
  const { patientId } = (await load(doctor, bundleOf(`OURS-${newId().slice(-12)}`, "2024-01-01"))).body;
  const resource = { resourceType: "Observation", status: "final", code: { text: "By id" } };
  await load(
    doctor,
    [{ resource: { ...resource, subject: { reference: `Patient/${patientId}` } } }],
    "batch",
  );
  const loaded = await load(other, (await everything(doctor, patientId)) as EntrySent[], "collection");
  expect(loaded.body).toMatchObject({ stored: { records: 3 }, kept: { Coverage: 1, Observation: 1 } });
});

test("in a merged chart each row refers to the Patient whose it was", async () => {
  const doctor = service.someone("doctor");
  const number = `MERGED-${newId().slice(-12)}`;
  const { patientId: merged } = (await load(doctor, bundleOf(number, "2024-01-01"))).body;
  await load(doctor, bundleOf(number, "2025-02-02"));
  const survivor = await givenPatient(doctor);
  const note = { type: "note", title: "One", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
  await doctor.post(`/v1/patients/${survivor}/records`, note);
  await doctor.post(`/v1/patients/${merged}/records`, { ...note, title: "Two" });
  const before = await everything(doctor, merged);
  expect((await doctor.post(`/v1/patients/${survivor}/merge`, { from: merged })).status).toBe(200);
  const exported = await everything(doctor, survivor);
  const byUrl = new Map(exported.map((entry) => [entry.fullUrl, entry]));
  for (const entry of before.slice(1)) expect(byUrl.get(entry.fullUrl)).toEqual(entry);
  expect(await everything(doctor, merged, 3)).toEqual(exported);
  const ofSurvivor = exported.filter((entry) => JSON.stringify(aboutOf(entry) ?? {}).includes(survivor));
  expect(ofSurvivor).toHaveLength(1);
});

test("of two Patients of one name, a relative reference is to the one of the same server", () => {
  const on = (server: string, type: string, more = {}) => ({
    fullUrl: `http://${server}/${type}/1`,
    resource: { resourceType: type, id: "1", ...more },
  });
  const own = new Map(["a", "b"].map((id) => [id, on(id, "Patient")]));
  const { ofClinical } = patientReferencesOf({ own, twins: [], uses: new Set() });
  const subject = { reference: "Patient/1" };
  for (const id of ["a", "b"]) {
    const entry = on(id, "Observation", { subject });
    expect(ofClinical(entry, id)).toBe(entry);
    const other = on(id === "a" ? "b" : "a", "Observation", { subject });
    expect(ofClinical(other, id).resource).toMatchObject({ subject: { reference: own.get(id)?.fullUrl } });
  }
});
