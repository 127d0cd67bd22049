import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  nobody,
  type Records,
  startRecords,
} from "../../test/harness.ts";
import { authored, type Prescription } from "../prescriptions/prescription.ts";
import { resources } from "../tables.ts";
import { change } from "./resource.service.ts";

let service: Records;
let author: TestClient;
let other: TestClient;
beforeAll(async () => {
  service = await startRecords();
  author = service.someone("doctor");
  other = service.someone("admin");
});
afterAll(() => service?.close());

const CLAIM = {
  providerId: nobody(),
  diagnosisCode: "E11.9",
  diagnosis: "Type 2 diabetes",
  treatment: "Metformin",
  amount: 12_550,
  currency: "EUR",
};

interface Version {
  version: number;
  updatedBy: string | null;
  updatedAt: string;
}

/** Where one of each kind is, made by the author. */
const PATHS: Readonly<Record<string, () => Promise<string>>> = {
  patients: async () => `/v1/patients/${await givenPatient(author)}`,
  prescriptions: async () =>
    `/v1/prescriptions/${await givenPrescription(author, await givenPatient(author))}`,
  appointments: async () => {
    const [patientId, doctorId] = [await givenPatient(author), author.actor.id];
    const times = { startsAt: "2027-01-04T09:00:00Z", endsAt: "2027-01-04T09:30:00Z" };
    const body = { patientId, doctorId, ...times };
    return `/v1/appointments/${(await author.post<{ id: string }>("/v1/appointments", body)).body.id}`;
  },
  claims: async () => {
    const claim = { ...CLAIM, patientId: await givenPatient(author) };
    return `/v1/claims/${(await author.post<{ id: string }>("/v1/claims", claim)).body.id}`;
  },
};

test("threat: a change is in another's name: who wrote each version of any kind is kept and shown", async () => {
  const kinds = resources.filter(({ keepsVersions }) => keepsVersions);
  // Records sign their versions, and keep them in their own table.
  expect(resources.filter((one) => !kinds.includes(one)).map(({ plural }) => plural)).toEqual(["records"]);
  for (const resource of kinds) {
    const path = (await PATHS[resource.plural]?.()) ?? "";
    const made = await author.get<Version>(path);
    expect(made.body, path).toMatchObject({ createdBy: author.actor.id, updatedBy: author.actor.id });
    const { pool } = service.context;
    const id = path.split("/").at(-1) ?? "";
    await inTransaction(pool, (tx) =>
      change(tx, service.context, other.actor, resource, id, null, { verb: "updated" }, (found) => ({
        ...found,
        rev: found.rev + 1,
        updatedAt: new Date(),
      })),
    );
    const now = await author.get<Version>(path);
    expect(now.body, path).toMatchObject({ createdBy: author.actor.id, updatedBy: other.actor.id });
    await service.events();
    const { status, body } = await author.get<{ items: Version[] }>(`${path}/versions`);
    expect(status).toBe(200);
    expect(body.items, path).toEqual([
      { ...now.body, version: 2 },
      { ...made.body, version: 1 },
    ]);
    expect(await service.events()).toMatchObject([
      { type: `medvault.records.${resource.noun}.versions-read.v1`, data: { details: { versions: 2 } } },
    ]);
    const stranger = service.someone("doctor");
    expect((await stranger.get(`${path}/versions`)).status).toBe(404);
  }
});

test("threat: A stays the prescriber of what B prescribed; B does not become it by a note", async () => {
  const [a, b] = [author.actor.id, other.actor.id];
  const path = (await PATHS.prescriptions?.()) ?? "";
  const put = async (who: TestClient, fields: object) =>
    (await who.put<object>(path, { ...ASPIRIN, ...fields })).body;
  expect(await put(other, { notes: "Seen" })).toMatchObject({ prescribedBy: a, createdBy: a, updatedBy: b });
  const rewritten = await put(other, { medication: "Warfarin 5 MG" });
  expect(rewritten).toMatchObject({ prescribedBy: b, createdBy: a, updatedBy: b });
  expect(await put(author, { medication: "Warfarin 5 MG", status: "stopped" })).toMatchObject({
    prescribedBy: b,
    updatedBy: a,
  });
  expect(await put(author, { medication: "Warfarin 5 MG", status: "active" })).toMatchObject({
    prescribedBy: a,
  });
  const { body } = await author.get<{ items: object[] }>(`${path}/versions`);
  expect(body.items).toMatchObject([
    { version: 5, prescribedBy: a },
    { version: 4, prescribedBy: b, status: "stopped" },
    { version: 3, prescribedBy: b, medication: "Warfarin 5 MG" },
    { version: 2, prescribedBy: a, notes: "Seen" },
    { version: 1, prescribedBy: a, medication: ASPIRIN.medication, notes: null },
  ]);
  const patientId = (rewritten as { patientId: string }).patientId;
  const { body: bundle } = await author.get(`/v1/fhir/Patient/${patientId}/$everything`);
  expect(JSON.stringify(bundle)).toContain(`"requester":{"reference":"urn:uuid:${a}"}`);
});

test("what was kept before anyone noted who wrote it names its prescriber as its first author", () => {
  const former = {
    ...ASPIRIN,
    prescribedBy: "a",
    createdBy: null,
    updatedBy: null,
  } as unknown as Prescription;
  expect(authored({ ...former, refills: 2 }, former, "b")).toMatchObject({
    prescribedBy: "b",
    createdBy: "a",
    updatedBy: "b",
  });
});

test("versions are masked as their resource is, sealed like it, and go with it when it is deleted for good", async () => {
  const path = (await PATHS.patients?.()) ?? "";
  await author.patch(path, { phone: "555-000-1234" });
  const { body } = await author.get<{ items: { phone: string }[] }>(`${path}/versions`);
  expect(body.items.map(({ phone }) => phone)).toEqual(["5••••1234", "5••••7731"]);
  expect(await service.dump()).not.toContain("555-014-7731");

  const prescription = (await PATHS.prescriptions?.()) ?? "";
  await author.put(prescription, { ...ASPIRIN, notes: "x" });
  const count = async () =>
    (
      await service.context.pool.query("select from row_versions where row_id = $1", [
        prescription.split("/").at(-1),
      ])
    ).rowCount;
  expect(await count()).toBe(1);
  expect((await author.delete(prescription)).status).toBe(204);
  expect(await count()).toBe(0);
  expect((await author.get(`${prescription}/versions`)).status).toBe(404);
});
