import { newId } from "@medvault/contracts";
import { expect, test } from "vitest";
import { givenGateway, problemOf } from "../../test/harness.ts";

const edge = await givenGateway();
const doctor = await edge.signIn("doctor");
const FHIR = { accept: "application/fhir+json" };
const FORM = { "content-type": "application/x-www-form-urlencoded" };

test("a guest reads what the FHIR API does, and nothing else of it", async () => {
  expect(await (await edge.call("/v1/fhir/metadata")).json()).toEqual({ service: "records" });
  for (const path of ["/v1/fhir/Patient", `/v1/fhir/Patient/${newId()}`, "/v1/fhir/metadata/1"]) {
    expect((await edge.call(path)).status, path).toBe(401);
  }
});

test("what the gateway itself refuses is an OperationOutcome where FHIR is asked for", async () => {
  const cases: [string, number, string][] = [
    ["/v1/fhir/Patient", 401, "login"],
    ["/v1/fhir/Patient?x=%3Cscript%3Ealert(1)%3C/script%3E", 400, "security"],
    ["/v1/fhir/metadata?unknown=1", 400, "invalid"],
    ["/v1/fhir/%zz", 400, "invalid"],
  ];
  for (const [path, status, code] of cases) {
    const answer = await edge.call(path, { headers: FHIR });
    expect(answer.status, path).toBe(status);
    expect(answer.headers.get("content-type"), path).toBe("application/fhir+json; charset=utf-8");
    expect(await answer.json(), path).toMatchObject({ resourceType: "OperationOutcome", issue: [{ code }] });
    expect((await problemOf(await edge.call(path)))[0], path).toBe(status);
  }
  const { records } = edge.services;
  records.raw = (_req, res) => void res.writeHead(500, { "content-type": "text/plain" }).end("inside");
  const foreign = await edge.call("/v1/fhir/Patient", { as: doctor, headers: FHIR });
  expect(foreign.status).toBe(503);
  expect(await foreign.json()).toMatchObject({
    resourceType: "OperationOutcome",
    issue: [{ code: "transient" }],
  });
  const outcome = '{"resourceType":"OperationOutcome"}';
  records.raw = (_req, res) =>
    void res.writeHead(500, { "content-type": "application/fhir+json; charset=utf-8" }).end(outcome);
  expect(await (await edge.call("/v1/fhir/Patient", { as: doctor, headers: FHIR })).text()).toBe(outcome);
  records.raw = null;
});

test("a FHIR search may repeat a name and have any; a form passes through, up to its size", async () => {
  const target = "/v1/fhir/Observation?date=ge2024&date=lt2025&code=http://loinc.org%7C8867-4&else=1";
  const headers = { prefer: "handling=strict" };
  expect((await edge.call(target, { as: doctor, headers })).status).toBe(200);
  const { records } = edge.services;
  expect(records.seen.at(-1)).toMatchObject({ url: target, headers });
  const search = (body: string) =>
    edge.call("/v1/fhir/Patient/_search", { method: "POST", as: doctor, headers: FORM, body });
  expect((await search("name=1' or '1'='1")).status).toBe(200);
  expect((await search(`name=${"x".repeat(70_000)}`)).status).toBe(413);
  expect((await edge.call("/v1/patients?limit=1&limit=2", { as: doctor })).status).toBe(400);
});

test("threat: a patient whom a FHIR search names is not among those who are counted", async () => {
  const narrow = await givenGateway({ MEDVAULT_PATIENTS_PER_HOUR: "3" });
  const walker = await narrow.signIn("doctor");
  const [one, two, three, four] = Array.from({ length: 4 }, () => newId());
  const statuses: number[] = [];
  for (const path of [
    `Observation?patient=${one}`,
    `Observation?subject=Patient/${two}`,
    `Patient/${three}`,
    `Condition?patient=Patient/${one}`,
    `Condition?patient=${four}`,
  ]) {
    statuses.push((await narrow.call(`/v1/fhir/${path}`, { as: walker })).status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429]);
});
