import { DELEGABLE, newId } from "@medvault/contracts";
import { signedIn, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness, type Person } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h?.close());

const CURRENT = "/internal/delegations/current";
const charts = [newId()];
const delegate = async (api: TestClient) =>
  await api.post<{ token: string; expiresAt: string }>("/internal/delegations", { patientIds: charts });
/** As a job asks: with the token in the place of the gateway's assertion. */
const asked = (token: string, path = CURRENT) =>
  h.guest().get(path, { headers: { "x-medvault-assertion": token } });

async function given(role: Person["account"]["role"] = "patient") {
  const person = await h.person(role);
  const { api } = await h.client(person);
  const { status, body } = await delegate(api);
  expect(status).toBe(201);
  return { person, api, ...body };
}

test("a delegation says whose it is and what of it they may do now; its token is kept nowhere", async () => {
  await h.events();
  const { person, api, token } = await given();
  expect(await asked(token)).toMatchObject({
    status: 200,
    body: {
      id: person.account.id,
      role: "patient",
      sessionId: api.actor.sessionId,
      patientIds: charts,
      permissions: [...DELEGABLE].sort().map((one) => `${one}:own`),
    },
  });
  const { rows } = await h.ctx.pool.query("select d::text as kept from delegations d");
  expect(JSON.stringify(rows)).not.toContain(token.slice(-64));
  const events = await h.events();
  expect(events.map(({ type }) => type)).toContain("medvault.auth.delegation.created.v1");
  expect(JSON.stringify(events)).not.toContain(token.slice(-64));
});

test("threat: a delegation opens nothing else of auth, and is no way to another one", async () => {
  const { token } = await given();
  for (const path of ["/v1/auth/me", "/v1/auth/sessions", "/v1/users"])
    expect((await asked(token, path)).status, path).toBe(401);
  const headers = { "x-medvault-assertion": token };
  const again = await h.guest().post("/internal/delegations", { patientIds: charts }, { headers });
  expect(again.status).toBe(401);
  expect((await asked(`${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`)).status).toBe(401);
  expect((await asked("delegation.")).status).toBe(401);
});

test("threat: what was taken from somebody is taken from their jobs at once", async () => {
  const { person, token } = await given("doctor");
  const taken = "delete from role_permissions where role = 'doctor' and permission like 'fhir:export:%'";
  await h.ctx.pool.query(taken);
  const { body } = await h.guest().get<{ permissions: string[] }>(CURRENT, {
    headers: { "x-medvault-assertion": token },
  });
  expect(body.permissions).toEqual(
    expect.arrayContaining(["file:read:assigned", "phi:unmask:assigned", "record:read:assigned"]),
  );
  expect(body.permissions.filter((one) => /export|write|audit/.test(one))).toEqual([]);
  await h.ctx.pool.query("insert into role_permissions values ('doctor', 'fhir:export:assigned')");
  await h.ctx.pool.query("update users set disabled = true where id = $1", [person.account.id]);
  expect((await asked(token)).status).toBe(401);
});

test("a delegation needs a sign-in of just now, ends after hours, and with its account", async () => {
  const { api, token } = await given();
  const old = signedIn(h.app, { ...api.actor, authTime: api.actor.authTime - 601 });
  expect(await delegate(old)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  h.advance(12 * 3600_000 + 1);
  expect((await asked(token)).status).toBe(401);
});
