import { randomBytes } from "node:crypto";
import type { DelegatedActor } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DOCTOR, doc, type Harness, startService } from "../test/harness.ts";
import { actorOf } from "./access.ts";
import { signAssertion } from "./assertions.ts";
import { claimsOfDelegate } from "./delegation.client.ts";
import { delegatedCharts } from "./request.ts";
import { route, streamRoute } from "./route.ts";

const TOKEN = `delegation.${randomBytes(32).toString("hex")}`;
const ADA: DelegatedActor = {
  ...{
    id: "0198f000-0000-7000-8000-000000000001",
    role: "patient",
    sessionId: "s",
    permissions: ["file:read:own"],
  },
  patientIds: ["0198f000-0000-7000-8000-000000000002"],
};
const say = { ...doc("GET", "/v1/exported", null), session: true, part: "export" } as const;
const routes = [
  streamRoute(say, async ({ req, res }) => void res.json([actorOf(req).id, delegatedCharts(req)])),
  route({ ...doc("GET", "/v1/named", null), session: true, part: "people" }, async () => ({})),
  route(doc("GET", "/v1/rows", "file:read"), async () => ({})),
];
const claimsOf = async (token: string) => {
  if (token !== TOKEN) throw new Error("not asked for");
  return claimsOfDelegate(ADA);
};

let kit: Harness;
beforeAll(async () => {
  kit = await startService(routes, { delegations: { claimsOf } });
});
afterAll(() => kit?.close());
const call = (path: string, token = TOKEN, to = kit) =>
  to.call(path, { as: null, headers: { "x-medvault-assertion": token } });

test("a job acts as the person whose delegation it has, on the charts that it is for", async () => {
  expect(await (await call("/v1/exported")).json()).toEqual([ADA.id, ADA.patientIds]);
  expect((await call("/v1/named")).status).toBe(204);
});

test("threat: a delegation opens no other route, whatever its person may do", async () => {
  expect((await call("/v1/rows")).status).toBe(401);
});

test("threat: an assertion for the part that names people opens none that exports", async () => {
  const assertion = await signAssertion(kit.key, DOCTOR, ["files", "records/people"]);
  expect((await call("/v1/exported", assertion)).status).toBe(401);
  expect((await call("/v1/named", assertion)).status).toBe(204);
});

test("a service that no job asks knows no delegations", async () => {
  const other = await startService(routes);
  expect((await call("/v1/exported", TOKEN, other)).status).toBe(401);
  await other.close();
});
