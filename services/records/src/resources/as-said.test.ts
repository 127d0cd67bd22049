import { createHash } from "node:crypto";
import type { IntegrityView, MedicalRecordView, PrescriptionView } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ASPIRIN, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";
import { bundleOf, ours, patient } from "../../test/plan.ts";
import { firstDay, lastDay } from "./as-said.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const NOTE = { type: "procedure", title: "Appendectomy", body: "By report" } as const;
type Page = { items: (MedicalRecordView & PrescriptionView)[] };
type Everything = { entry: { resource: Record<string, unknown> }[] };

async function given() {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const records = `/v1/patients/${patientId}/records`;
  const everything = async (type: string) =>
    (await doctor.get<Everything>(`/v1/fhir/Patient/${patientId}/$everything`)).body.entry
      .map((entry) => entry.resource)
      .filter((resource) => resource.resourceType === type);
  return { doctor, patientId, records, everything };
}

test.each([
  ["1980", "1980-01-01", "1980-12-31"],
  ["1871-02", "1871-02-01", "1871-02-28"],
  ["2024-02", "2024-02-01", "2024-02-29"],
  ["9999", "9999-01-01", "9999-12-31"],
  ["0001-01", "0001-01-01", "0001-01-31"],
  ["1980-05-12", "1980-05-12", "1980-05-12"],
])("%s begins on %s and ends on %s", (said, first, last) => {
  expect([firstDay(said), lastDay(said)]).toEqual([first, last]);
});

test.each(["1980", "1980-05", "1980-05-12", "1871", "0001"])(
  "fault: an invented date. %s is stored, shown, signed, kept in versions and exported as it was said",
  async (occurredAt) => {
    const { doctor, records, everything } = await given();
    const made = await doctor.post<MedicalRecordView>(records, { ...NOTE, occurredAt });
    expect(made).toMatchObject({ status: 201, body: { occurredAt } });
    expect(made.body).not.toHaveProperty("undated");
    const path = `/v1/records/${made.body.id}`;
    expect((await doctor.get(path)).body).toEqual(made.body);
    const integrity = (await doctor.get<IntegrityView>(`${path}/integrity`)).body;
    const content = `{"body":"By report","code":null,"occurredAt":"${occurredAt}","title":"Appendectomy","type":"procedure"}`;
    expect(integrity).toMatchObject({
      valid: true,
      contentHash: createHash("sha256").update(content).digest("hex"),
    });
    expect(await everything("Procedure")).toMatchObject([{ performedDateTime: occurredAt }]);
    await doctor.put(path, { ...NOTE, occurredAt: "2024-01-01T00:00:00+01:00" });
    const { items } = (await doctor.get<Page>(`${path}/versions`)).body;
    expect(items.map((item) => item.occurredAt)).toEqual(["2023-12-31T23:00:00.000Z", occurredAt]);
  },
);

test("fault: the moment of writing taken for a date. What has no date shows none, is marked, and keeps its place", async () => {
  const { doctor, records, everything } = await given();
  const before = await doctor.post<Known>(records, { ...NOTE, occurredAt: "2001" });
  const undated = await doctor.post<MedicalRecordView>(records, NOTE);
  const nulled = await doctor.post<MedicalRecordView>(records, {
    ...NOTE,
    type: "immunization",
    occurredAt: null,
  });
  for (const { status, body } of [undated, nulled])
    expect({ status, ...body }).toMatchObject({ status: 201, occurredAt: null, undated: true });
  const path = `/v1/records/${undated.body.id}`;
  expect((await doctor.get<IntegrityView>(`${path}/integrity`)).body.valid).toBe(true);
  const after = await doctor.post<Known>(records, { ...NOTE, occurredAt: new Date().toISOString() });
  await doctor.put(path, { ...NOTE, body: "Still undated" });
  const { items } = (await doctor.get<Page>(records)).body;
  expect(items.map(({ id }) => id)).toEqual([after, nulled, undated, before].map(({ body }) => body.id));
  const dates = (await everything("Procedure")).map((procedure) => procedure.performedDateTime);
  expect(dates).toEqual(["2001", undefined, expect.any(String)]);
  expect((await everything("Immunization"))[0]).toMatchObject({
    _occurrenceDateTime: { extension: [{ valueCode: "unknown" }] },
  });
});

test("an imported date keeps its precision, and words or nothing give none, whenever it was recorded", async () => {
  const doctor = service.someone("doctor");
  const condition = (text: string, fields: object) => ({
    resourceType: "Condition",
    subject: ours,
    code: { text },
    ...fields,
  });
  const own = { ...patient, identifier: [{ system: "urn:test", value: crypto.randomUUID() }] };
  const loaded = await doctor.post<{ patientId: string }>(
    "/v1/fhir",
    bundleOf(
      own,
      condition("year", { onsetDateTime: "1998" }),
      condition("month", { onsetPeriod: { start: "1998-03" } }),
      condition("recorded", { recordedDate: "2001-02-03" }),
      condition("words", { onsetString: "childhood", recordedDate: "2002-02-03" }),
      condition("age", { onsetAge: { value: 12, unit: "a" } }),
      condition("instant", { onsetDateTime: "2003-05-06T07:08:09+02:00" }),
      condition("nothing", {}),
      {
        resourceType: "Procedure",
        status: "completed",
        subject: ours,
        code: { text: "spell" },
        performedPeriod: { start: "1975", end: "1976-02" },
      },
    ),
  );
  expect(loaded.status).toBe(200);
  const { items } = (await doctor.get<Page>(`/v1/patients/${loaded.body.patientId}/records`)).body;
  const said = Object.fromEntries(items.map((item) => [item.title, [item.occurredAt, item.undated]]));
  expect(said).toEqual({
    year: ["1998", undefined],
    month: ["1998-03", undefined],
    recorded: ["2001-02-03", undefined],
    words: [null, true],
    age: [null, true],
    instant: ["2003-05-06T05:08:09.000Z", undefined],
    nothing: [null, true],
    spell: ["1975", undefined],
  });
  const order = items.map((item) => item.title);
  // What was written down in 2002 is older news than what became known today.
  expect(order.indexOf("words")).toBe(order.indexOf("instant") + 1);
  expect(items.find((item) => item.title === "spell")?.body).toContain("Ended: 1976-02");
});

test.each(["1980", "1980-05", "1980-05-12", "1871"])(
  "a prescription from %s says so in answers, searches, versions and exports",
  async (startDate) => {
    const { doctor, patientId, everything } = await given();
    const body = { patientId, ...ASPIRIN, startDate, endDate: startDate };
    const made = await doctor.post<PrescriptionView>("/v1/prescriptions", body);
    expect(made).toMatchObject({ status: 201, body: { startDate, endDate: startDate } });
    const path = `/v1/prescriptions/${made.body.id}`;
    const found = await doctor.post<Page>("/v1/prescriptions/search", { q: "acetyl", patientId });
    expect(found.body.items).toEqual([made.body]);
    expect(await everything("MedicationRequest")).toMatchObject([
      { dispenseRequest: { validityPeriod: { start: startDate, end: startDate } } },
    ]);
    const year = startDate.slice(0, 4);
    const within = await doctor.get<Page>(`/v1/prescriptions?from=${year}-01-01&to=${year}-12-31`);
    expect(within.body.items).toEqual([made.body]);
    await doctor.put(path, { ...ASPIRIN, startDate: "2024" });
    const { items } = (await doctor.get<Page>(`${path}/versions`)).body;
    expect(items.map((item) => item.startDate)).toEqual(["2024", startDate]);
  },
);

test("an imported prescription without a start shows none, is in no range, and stays so through a change", async () => {
  const doctor = service.someone("doctor");
  const own = { ...patient, identifier: [{ system: "urn:test", value: crypto.randomUUID() }] };
  const order = {
    resourceType: "MedicationRequest",
    status: "active",
    intent: "order",
    subject: ours,
    medicationCodeableConcept: { text: "Quinine" },
  };
  const late = { ...order, authoredOn: "2019-05-04T23:30:00-05:00" };
  const loaded = await doctor.post<{ patientId: string }>("/v1/fhir", bundleOf(own, order, late));
  const { patientId } = loaded.body;
  const list = async (query: string) =>
    (await doctor.get<Page>(`/v1/prescriptions?patientId=${patientId}${query}`)).body.items;
  const [undated, dated] = await list("");
  expect([undated, dated]).toMatchObject([{ startDate: null, undated: true }, { startDate: "2019-05-04" }]);
  expect((await list("&from=2000-01-01")).map((item) => item.id)).toEqual([dated?.id]);
  const search = { q: "quin", patientId, to: "2999-01-01" };
  const found = await doctor.post<Page>("/v1/prescriptions/search", search);
  expect(found.body.items.map((item) => item.id)).toEqual([dated?.id]);
  const put = await doctor.put(`/v1/prescriptions/${undated?.id}`, {
    medication: "Quinine",
    dosage: null,
    startDate: null,
    status: "stopped",
  });
  expect(put).toMatchObject({ status: 200, body: { startDate: null, undated: true, status: "stopped" } });
});

const INSTANTS =
  "must be YYYY, YYYY-MM, YYYY-MM-DD or a full date-time such as 2026-01-31T09:30:00Z, in the years 0001 to 9999";
test.each([
  "31/01/1980",
  "1980-13",
  "1980-02-30",
  "0000",
  "0000-01-01",
  "80",
  "1980-5",
  "2016-12-31T23:59:60Z",
  "2026-03-01T09:30:00",
  "0001-01-01T00:00:00+05:00",
  "childhood",
  "",
])(
  "fault: a date in another form says several things. %j is one fault that says the right forms",
  async (date) => {
    const { doctor, patientId, records } = await given();
    expect(await doctor.post(records, { ...NOTE, occurredAt: date })).toMatchObject({
      status: 400,
      body: { errors: [{ path: "occurredAt", code: "invalid_format", message: INSTANTS }] },
    });
    const refused = await doctor.post("/v1/prescriptions", { patientId, ...ASPIRIN, startDate: date });
    expect(refused).toMatchObject({
      status: 400,
      body: { errors: [{ path: "startDate", code: "invalid_format", params: { format: "partial-date" } }] },
    });
    expect((refused.body as { errors: unknown[] }).errors).toHaveLength(1);
  },
);

test("an end is compared with a start as far as both are said", async () => {
  const { doctor, patientId } = await given();
  const post = async (startDate: string, endDate: string) =>
    (await doctor.post("/v1/prescriptions", { patientId, ...ASPIRIN, startDate, endDate })).status;
  expect(await post("2024-05-12", "2024")).toBe(201);
  expect(await post("2024", "2024-05-12")).toBe(201);
  expect(await post("2024-05-12", "2024-05-11")).toBe(400);
  expect(await post("2024-05", "2023")).toBe(400);
});
