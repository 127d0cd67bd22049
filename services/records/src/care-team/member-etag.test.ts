import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("a member of a care team has an ETag, and comes and goes only as the caller has seen them", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  const path = `/v1/patients/${id}/care-team/${doctor.actor.id}`;
  const seen = (await doctor.get(path)).headers.get("etag") ?? "";
  expect(seen).toMatch(/^"[1-9][0-9]{0,9}"$/);
  const ifMatch = (tag: string) => ({ headers: { "if-match": tag } });
  const stale = { status: 412, body: { code: "version_conflict" } };
  expect(await doctor.delete(path, ifMatch('"1"'))).toMatchObject(stale);
  expect((await doctor.get(path)).status).toBe(200);
  expect((await doctor.delete(path, ifMatch(seen))).status).toBe(204);
});
