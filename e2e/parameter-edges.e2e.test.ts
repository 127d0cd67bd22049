import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ALL_EDGES, edgesOf, kindOf, mutated, NEVER_TAKEN } from "./generated/edges.ts";
import type { Generated } from "./generated/requests.ts";
import { closeConnections, fetchFromThere, send } from "./generated/send.ts";
import { valuesOf } from "./generated/values.ts";
import { freshAdmin } from "./support/admin.ts";
import { faultsOf, type Operation, operations, resolved, type Schema } from "./support/openapi.ts";
import { ops } from "./support/ops.ts";
import { invite, type Person } from "./support/people.ts";

const AT_ONCE = 12;
const NOBODY = "018f4c1e-7a2b-7c3d-8e4f-0123456789ab";
/** They end the session that asks, or change the system for all tests. */
const SKIPPED =
  /^(?:POST \/v1\/auth\/logout|DELETE \/v1\/auth\/sessions|PUT \/v1\/roles|POST \/v1\/audit\/verify|POST \/v1\/backups$|GET \/v1\/audit\/stream)/;

const gateway = new URL(ops().gateway);
let admin: Person;
let doctor: Person;
let patientId: string;

beforeAll(async () => {
  const { client } = await freshAdmin(ops());
  admin = await invite(ops(), client, "admin", fetchFromThere);
  doctor = await invite(ops(), client, "doctor", fetchFromThere);
  const { api } = doctor.client;
  const person = { givenName: "Edda", familyName: "Rand", birthDate: "1961-04-09", sex: "female" } as const;
  patientId = (await api.call("POST /v1/patients", { body: person })).data.id;
  await api.call("POST /v1/patients", { body: person }); // a second page for each list
  const drug = {
    patientId,
    medication: "m",
    dosage: "1",
    startDate: "2026-01-01",
    status: "active",
  } as const;
  const note = { type: "note", title: "t", body: "b", occurredAt: "2026-01-01T00:00:00Z" } as const;
  const claim = { patientId, providerId: doctor.id, diagnosisCode: "E11", diagnosis: "d", treatment: "t" };
  for (let i = 0; i < 2; i++) {
    await api.call("POST /v1/prescriptions", { body: drug });
    await api.call("POST /v1/patients/{id}/records", { path: { id: patientId }, body: note });
    await api.call("POST /v1/claims", { body: { ...claim, amount: 100, currency: "EUR" } });
    const files = [new File([`hello ${i}\n`], "a.txt", { type: "text/plain" })];
    await api.call("POST /v1/files", { body: { patientId, files } });
  }
}, 120_000);
afterAll(() => closeConnections());

const own = operations.filter(({ method, path }) => !SKIPPED.test(`${method} ${path}`));
const coded = (value: unknown) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.isWellFormed() ? encodeURIComponent(text) : "%ED%A0%80"; // a surrogate, in bytes
};
/** A path whose ids are known where the edge is not. */
const pathOf = ({ path }: Operation) =>
  path
    .replace(/(?<=\/patients\/|\/Patient\/)\{id\}/, patientId)
    .replace("{path}", "0/000")
    .replace("{role}", "doctor")
    .replaceAll(/\{\w+\}/g, NOBODY);

interface Sent extends Generated {
  edge: unknown;
  what: string;
}
const request = (operation: Operation, target: string, edge: unknown, what: string): Sent => ({
  ...{ role: "admin", method: operation.method, target, headers: {}, body: null, edge },
  what: `${operation.method} ${operation.path} ${what} = ${(JSON.stringify(edge) ?? "").slice(0, 60)}`,
});

/** Sends them all; each answer is as documented and no 5xx. Answers what went wrong. */
async function faultsIn(sent: readonly Sent[], as: Person): Promise<string[]> {
  const bad: string[] = [];
  let next = 0;
  const work = async () => {
    for (let at = next++; at < sent.length; at = next++) {
      const one = sent[at] as Sent;
      const answer = await send(gateway, one, as.client.token).catch((error: unknown) => String(error));
      if (typeof answer === "string") {
        bad.push(`${one.what}: ${answer}`);
        continue;
      }
      const faults = faultsOf(one.method, one.target, answer);
      if (answer.status >= 500) faults.push("a 5xx");
      if (NEVER_TAKEN.has(one.edge) && answer.status < 300 && one.what.includes("?"))
        faults.push("it was taken");
      if (faults.length > 0) {
        bad.push(`${one.what}: ${answer.status} ${faults.join("; ")} ${answer.raw.toString().slice(0, 200)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return bad;
}

test("every edge of every parameter in a path or query is answered, never with a 5xx", async () => {
  const sent = own.flatMap((operation) => {
    const inQuery = operation.parameters.filter((parameter) => parameter.in === "query");
    const needed = inQuery.filter((parameter) => parameter.required);
    return operation.parameters.flatMap((parameter) => {
      const { name, schema } = parameter;
      const edges = edgesOf(kindOf(schema, name));
      if (parameter.in === "path") {
        const before = operation.path.split(`{${name}}`, 1)[0] as string;
        const target = (edge: unknown) =>
          pathOf({
            ...operation,
            path: before + coded(edge) + operation.path.slice(before.length + name.length + 2),
          });
        return edges
          .filter((edge) => edge !== "")
          .map((edge) => request(operation, target(edge), edge, `{${name}}`));
      }
      if (parameter.in !== "query") return [];
      const others = needed.filter((each) => each !== parameter).map((each) => `&${each.name}=1`);
      const target = (edge: unknown) => `${pathOf(operation)}?${name}=${coded(edge)}${others.join("")}`;
      return edges.map((edge) => request(operation, target(edge), edge, `?${name}`));
    });
  });
  expect(sent.length).toBeGreaterThan(2_000);
  expect(await faultsIn(sent, admin)).toEqual([]);
}, 300_000);

test("every edge of every field of a body is answered, never with a 5xx", async () => {
  const ids = { patientId: [patientId], providerId: [doctor.id] };
  const sent = own.flatMap((operation) => {
    const content = operation.requestBody?.content["application/json"];
    const schema = resolved<Schema>(content?.schema ?? {});
    const fields = (schema.properties ?? {}) as Record<string, Schema>;
    const [base] = fc.sample(valuesOf(schema, ids), { seed: 7, numRuns: 1 }) as Record<string, unknown>[];
    return Object.entries(fields).flatMap(([name, field]) =>
      edgesOf(kindOf(field, name)).map((edge) => ({
        ...request(operation, pathOf(operation), edge, name),
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...base, [name]: edge }),
      })),
    );
  });
  expect(sent.length).toBeGreaterThan(2_000);
  // Rights to write are a doctor's; what only admins may do, admins send.
  const ofAdmins = (one: Sent) => /\/v1\/(?:users|sessions|roles|backups)/.test(one.target);
  expect(await faultsIn(sent.filter(ofAdmins), admin)).toEqual([]);
  expect(
    await faultsIn(
      sent.filter((one) => !ofAdmins(one) && !one.target.startsWith("/v1/auth/")),
      doctor,
    ),
  ).toEqual([]);
}, 300_000);

test("every edge within a cursor is answered, never with a 5xx", async () => {
  const lists = own.filter(
    ({ method, parameters }) => method === "GET" && parameters.some(({ name }) => name === "cursor"),
  );
  expect(lists.length).toBeGreaterThan(8);
  for (const operation of lists) {
    const as = operation.path.startsWith("/v1/files") ? doctor : admin;
    const filter = operation.path === "/v1/files" ? `&patientId=${patientId}` : "";
    const target = `${pathOf(operation)}?limit=1${filter}`;
    const first = await as.client.call("GET", target);
    const cursor = first.body.nextCursor;
    if (typeof cursor !== "string") continue; // one backup or none
    const position: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    const sent = [...mutated(position, ALL_EDGES)].map((forged) => {
      const edge = Buffer.from(JSON.stringify(forged)).toString("base64url");
      return { ...request(operation, `${target}&cursor=${edge}`, forged, "cursor") };
    });
    expect(await faultsIn(sent, as), operation.path).toEqual([]);
  }
}, 300_000);
