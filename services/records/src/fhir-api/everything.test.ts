import { MAX_CHART_PAGE, newId } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { insert } from "../resources/resource.store.ts";

type Resource = { resourceType: string; [field: string]: unknown };
interface Page {
  total?: number;
  link: { relation: string; url: string }[];
  entry: { fullUrl: string; resource: Resource }[];
}

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const nextOf = ({ link }: Page) => link.find(({ relation }) => relation === "next")?.url;

/** Every page of a chart, read by its links. */
async function pagesOf(who: TestClient, path: string, headers = {}): Promise<Page[]> {
  const pages: Page[] = [];
  for (let url: string | undefined = path; url !== undefined; url = nextOf(pages.at(-1) as Page)) {
    const { status, body } = await who.get<Page>(url, { headers });
    expect(status, url).toBe(200);
    pages.push(body);
  }
  return pages;
}

const entriesOf = (pages: readonly Page[]) => pages.flatMap(({ entry = [] }) => entry);

/** A chart with something in each table, and the patient's numbers in its last resources alone. */
async function givenChart(observations: number) {
  const self = `urn:uuid:${newId()}`;
  const subject = { reference: self };
  const secret = `SUB-${newId().slice(-12)}`;
  const entry = [
    { fullUrl: self, resource: { resourceType: "Patient", name: [{ family: "Paged" }], birthDate: "1980" } },
    ...Array.from({ length: observations }, (_, at) => ({
      fullUrl: `urn:uuid:${newId()}`,
      resource: {
        resourceType: "Observation",
        status: "final",
        code: { text: `Measurement ${at}` },
        subject,
        effectiveDateTime: "2024-05-06T07:08:09Z",
        note: [{ text: at % 2 ? `the card says ${secret}` : "nothing" }],
      },
    })),
    {
      fullUrl: `urn:uuid:${newId()}`,
      resource: {
        resourceType: "MedicationRequest",
        status: "active",
        intent: "order",
        medicationCodeableConcept: { text: "Aspirin" },
        subject,
      },
    },
    {
      fullUrl: `urn:uuid:${newId()}`,
      resource: { resourceType: "CarePlan", status: "active", intent: "plan", subject },
    },
    {
      fullUrl: `urn:uuid:${newId()}`,
      resource: {
        resourceType: "Coverage",
        status: "active",
        beneficiary: subject,
        payor: [{ display: "Payer" }],
        subscriberId: secret,
      },
    },
  ];
  const made = await doctor.post<{ patientId: string }>("/v1/fhir", {
    resourceType: "Bundle",
    type: "transaction",
    entry,
  });
  expect(made.status).toBe(200);
  const id = made.body.patientId;
  return { id, secret, entry, path: `/v1/fhir/Patient/${id}/$everything` };
}

test("a chart comes whole, in one page where that is large enough, else by its next links", async () => {
  const { path, entry } = await givenChart(25);
  const [whole, ...more] = await pagesOf(doctor, path);
  expect(more).toEqual([]);
  expect(whole?.total).toBe(entry.length);
  expect(whole?.entry[0]?.resource.resourceType).toBe("Patient");
  for (const count of [1, 7, entry.length, 1_000_000]) {
    const pages = await pagesOf(doctor, `${path}?_count=${count}`);
    expect(pages).toHaveLength(Math.ceil(entry.length / count));
    expect(entriesOf(pages), String(count)).toEqual(whole?.entry);
    for (const page of pages) {
      expect(page.total).toBe(entry.length);
      expect(page.entry.length).toBeLessThanOrEqual(count);
    }
  }
});

/** So many more resources in a chart, each in a box of its own. */
async function fill(patientId: string, count: number): Promise<void> {
  const { context } = service;
  const wrapped = await context.pool.query("select wrapped from subject_keys where subject_id = $1", [
    patientId,
  ]);
  for (let left = count; left > 0; left -= 1_000) {
    const rows = Array.from({ length: Math.min(left, 1_000) }, () => ({
      id: newId(),
      rev: 1,
      subjectId: patientId,
      createdAt: new Date(),
      fullUrl: null,
      resource: { resourceType: "Basic", code: { text: "filled" } },
    }));
    const boxes = rows.map((row) => keptResources.table.seal(context.keyring, wrapped.rows[0].wrapped, row));
    await inTransaction(context.pool, (tx) =>
      insert(tx, context, doctor.actor, "fhir:import", keptResources, rows, boxes),
    );
  }
}

test("K06: what is beyond 20,000 of a kind is not cut off in silence", async () => {
  const { path, id } = await givenChart(1);
  await fill(id, MAX_CHART_PAGE + 10);
  const pages = await pagesOf(doctor, path);
  expect(pages.map(({ total }) => total)).toEqual([MAX_CHART_PAGE + 15, MAX_CHART_PAGE + 15]);
  expect(pages.map(({ entry }) => entry.length)).toEqual([MAX_CHART_PAGE, 15]);
  expect(new Set(entriesOf(pages).map(({ fullUrl }) => fullUrl)).size).toBe(MAX_CHART_PAGE + 15);
}, 60_000);

test("a chart of which no row opens is still shown, with what is damaged in the place of each", async () => {
  const { path, id } = await givenChart(1);
  await fill(id, 3_000);
  await service.context.pool.query(
    `update fhir_resources set sealed = overlay(sealed placing '\\x00000000'::bytea from 40) where subject_id = $1`,
    [id],
  );
  await service.events();
  const [whole] = await pagesOf(doctor, path);
  expect(whole?.entry.filter(({ resource }) => resource.resourceType === "OperationOutcome")).toHaveLength(
    3_002,
  );
  const types = (await service.events()).map(({ type }) => type);
  expect(types.filter((type) => type === "medvault.records.fhir-resource.damaged.v1")).toHaveLength(3_002);
}, 60_000);

test("threat: a page shows the number that only another page says is to be masked", async () => {
  const { path, secret } = await givenChart(6);
  const shown = JSON.stringify(await pagesOf(doctor, `${path}?_count=2`));
  expect(shown).not.toContain(secret);
  expect(JSON.stringify(await pagesOf(doctor, `${path}?_count=2`))).toBe(shown);
  const open = await pagesOf(doctor, `${path}?_count=2&unmask=nationalId`, { "x-purpose": "TREAT" });
  expect(JSON.stringify(entriesOf(open)).split(secret)).toHaveLength(1 + 3 + 1);
});

test("threat: a value that comes into the chart between two pages is shown by the second", async () => {
  const { path, id } = await givenChart(6);
  const [first] = await pagesOf(doctor, `${path}?_count=3`);
  const phone = "555-867-5309-1";
  const note = { type: "note", title: "t", body: `call ${phone}`, occurredAt: "2026-01-01T00:00:00Z" };
  await doctor.post(`/v1/patients/${id}/records`, note);
  await doctor.patch(`/v1/patients/${id}`, { phone });
  const later = await pagesOf(doctor, nextOf(first as Page) ?? "");
  expect(JSON.stringify(later)).not.toContain(phone);
  expect(JSON.stringify(later)).not.toContain(Buffer.from(`call ${phone}`).toString("base64"));
});

test("each page is an event of its own, and each page that unmasks asks for the purpose", async () => {
  const { path, id } = await givenChart(2);
  await service.events();
  const pages = await pagesOf(doctor, `${path}?_count=4&unmask=phone`, { "x-purpose": "TREAT" });
  expect(pages.map(({ entry }) => entry.length)).toEqual([4, 2]);
  expect(await service.events()).toMatchObject(
    [4, 2].flatMap((count) => [
      { type: "medvault.records.fhir.exported.v1", data: { patientIds: [id], details: { count } } },
      { type: "medvault.records.patient.unmasked.v1", subject: `patient/${id}` },
    ]),
  );
  const next = nextOf(pages[0] as Page) ?? "";
  expect(await doctor.get(next)).toMatchObject({ status: 400, body: { code: "purpose_required" } });
});

test("refused: cursors of other charts and queries, counts that are none, charts of others", async () => {
  const [one, other] = [await givenChart(2), await givenChart(2)];
  const next = nextOf((await doctor.get<Page>(`${one.path}?_count=2`)).body) ?? "";
  const cursor = new URL(next, "http://x").searchParams.get("_cursor");
  expect(next).not.toContain("Paged");
  for (const path of [
    `${other.path}?_cursor=${cursor}`,
    `${one.path}?_cursor=${cursor}&_type=Observation`,
    `${one.path}?_cursor=AAAA`,
    `${one.path}?_count=0`,
    `${one.path}?_count=-1`,
    `${one.path}?_count=1e3`,
    `${one.path}?_type=observation`,
  ]) {
    expect(await doctor.get(path), path).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  }
  const stranger = service.someone("doctor");
  expect((await stranger.get(next)).status).toBe(404);
  expect((await service.someone("auditor").get(next)).status).toBe(403);
  const nobodys = service.as(actor("patient", { id: newId() }));
  expect((await nobodys.get(one.path)).status).toBe(404);
});

test("_type and _since narrow what comes", async () => {
  const { path, id } = await givenChart(5);
  const types = entriesOf(await pagesOf(doctor, `${path}?_count=3&_type=Coverage,CarePlan`));
  expect(types.map(({ resource }) => resource.resourceType).sort()).toEqual(["CarePlan", "Coverage"]);
  const since = new Date().toISOString();
  const note = { type: "note", title: "Late", body: "b", occurredAt: "1999-01-01T00:00:00Z" };
  await doctor.post(`/v1/patients/${id}/records`, note);
  const late = entriesOf(await pagesOf(doctor, `${path}?_since=${since}`));
  expect(late).toMatchObject([{ resource: { resourceType: "DocumentReference", description: "Late" } }]);
});
