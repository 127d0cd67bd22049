import { readFileSync } from "node:fs";
import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";

type Entry = { fullUrl: string; resource: Record<string, unknown>; request?: object };
type Bundle = { resourceType: string; type: string; entry: Entry[] };
const FIXTURE = new URL("../../../../e2e/fixtures/fhir/marisela-okonkwo-reyes.json", import.meta.url);
const marisela = () => JSON.parse(readFileSync(FIXTURE, "utf8")) as Bundle;
const load = (who: TestClient, bundle: unknown) => who.post<FhirImportView>("/v1/fhir", bundle);

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("threat: someone learns or changes by a bundle what the patient closed to them", async () => {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const admin = service.someone("admin");
  const first = await load(doctor, marisela());
  const { patientId } = first.body;
  const state = async () => {
    const rows = ["medical_records", "fhir_resources", "prescriptions"].map((table) =>
      service.context.pool.query(
        `select id, rev, sealed from ${table} where ${table === "fhir_resources" ? "subject_id" : "patient_id"} = $1 order by id`,
        [patientId],
      ),
    );
    return (await Promise.all(rows)).map((found) => found.rows);
  };
  const before = await state();
  const [, , prescriptions] = before;
  for (const type of ["record", "prescription"])
    expect(
      await admin.post(`/v1/patients/${patientId}/consents`, {
        grantee: doctor.actor.id,
        closes: { type },
      }),
    ).toMatchObject({ status: 201 });
  // As it was, and as the source says now.
  const changed = marisela();
  for (const { resource } of changed.entry)
    if (
      ["MedicationRequest", "Condition", "Observation", "Encounter"].includes(String(resource.resourceType))
    )
      resource.language = "nl";
  for (const bundle of [marisela(), changed]) {
    expect(await load(doctor, bundle)).toMatchObject({ status: 403, body: { code: "part_closed" } });
    expect(await state()).toEqual(before);
  }
  const id = prescriptions?.[0]?.id;
  const put = {
    resourceType: "Bundle",
    type: "transaction",
    entry: [
      {
        fullUrl: `urn:uuid:${id}`,
        resource: {
          resourceType: "MedicationRequest",
          id,
          status: "stopped",
          intent: "order",
          subject: { reference: `Patient/${patientId}` },
          medicationCodeableConcept: { text: "Another" },
        },
        request: { method: "PUT", url: `MedicationRequest/${id}` },
      },
    ],
  };
  expect((await load(doctor, put)).status).toBe(403);
  expect((await state())[2]?.find((row) => row.id === id)).toEqual(prescriptions?.[0]);
  const gone = await load(doctor, {
    ...put,
    entry: [{ request: { method: "DELETE", url: `MedicationRequest/${id}` } }],
  });
  expect(gone.status).toBe(404);
  expect((await state())[2]?.find((row) => row.id === id)).toEqual(prescriptions?.[0]);
});
