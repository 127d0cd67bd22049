import { actor, signedIn } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";
import { bindingViolation } from "./session-binding.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
beforeEach(() => h.events());
afterAll(() => h.close());

const IP = "192.0.2.1";
const ELSEWHERE = "198.51.100.7";
const gateway = (client: { ip?: string; userAgent?: string }) =>
  signedIn(
    h.app,
    actor("service", {
      id: "service:gateway",
      permissions: ["session:introspect", "session:introspect:any"],
      ...client,
    }),
  );
const report = async (sid: string, client: { ip?: string; userAgent?: string }) => {
  const answer = await gateway(client).post<Answer>(`/internal/sessions/${sid}/strange-client`);
  return [answer.status, answer.body.ended];
};
const refresh = (tokens: Answer, client: { ip?: string; userAgent?: string }) =>
  h.guest(client).post<Answer>("/v1/auth/refresh", { refreshToken: tokens.refreshToken });
const recorded = async () =>
  (await h.events())
    .filter((event) => /-changed\.v1$|session\.ended/.test(event.type))
    .map((event) => [event.type.replace(/^medvault\.auth\./, ""), event.data.outcome]);
const lives = async (sid: string) => (await h.redis.client.exists(`session:${sid}`)) === 1;

test("how a client violates a binding, by the settings; IPv6 is compared by its /64", () => {
  const settings = { agent: "enforce", addressOfStaff: "enforce", addressOfPatients: "watch" } as const;
  const session = { role: "doctor" as const, ip: "2001:db8:1:2::9", userAgent: "a" };
  const of = (client: object, role: "doctor" | "patient" = "doctor", by: object = {}) =>
    bindingViolation({ ...session, role }, { ...session, ...client }, { ...settings, ...by });
  expect(of({})).toBe(null);
  expect(of({ ip: "2001:db8:1:2:ffff::1" })).toBe(null);
  expect(of({ ip: "2001:db8:1:3::9" })).toEqual({ what: "address", binding: "enforce" });
  expect(of({ ip: "203.0.113.1" }, "patient")).toEqual({ what: "address", binding: "watch" });
  expect(of({ userAgent: "b" }, "patient")).toEqual({ what: "agent", binding: "enforce" });
  expect(of({ userAgent: "b", ip: "::1" }, "doctor", { agent: "watch" })).toEqual({
    what: "address",
    binding: "enforce",
  });
  expect(of({ userAgent: "b" }, "patient", { agent: "off" })).toBe(null);
  expect(of({ ip: "::1" }, "patient", { addressOfPatients: "off" })).toBe(null);
  // What began without a user agent (an empty one) is bound to none.
  const bare = { ...session, userAgent: "" };
  expect(bindingViolation(bare, { ...bare, userAgent: "curl/8" }, settings)).toBe(null);
});

test("another user agent ends the session, at a refresh and by the gateway's word, with both events", async () => {
  for (const end of [
    (tokens: Answer) =>
      refresh(tokens, { userAgent: "other" }).then(({ status }) => expect(status).toBe(401)),
    async (tokens: Answer) =>
      expect(await report(tokens.sessionId, { userAgent: "other" })).toEqual([200, true]),
  ]) {
    const { tokens } = await h.client(await h.person("patient"));
    await h.events();
    await end(tokens);
    expect(await lives(tokens.sessionId)).toBe(false);
    expect(await recorded()).toEqual([
      ["session.agent-changed.v1", "denied"],
      ["session.ended.v1", "success"],
    ]);
    expect(await refresh(tokens, {})).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  }
});

test("another address ends a doctor's session, and is reported once for a patient's", async () => {
  const doctor = (await h.client(await h.person("doctor"))).tokens;
  await h.events();
  expect((await refresh(doctor, { ip: ELSEWHERE })).status).toBe(401);
  expect(await lives(doctor.sessionId)).toBe(false);
  expect(await recorded()).toEqual([
    ["session.address-changed.v1", "denied"],
    ["session.ended.v1", "success"],
  ]);
  const patient = (await h.client(await h.person("patient"))).tokens;
  await h.events();
  expect(await report(patient.sessionId, { ip: ELSEWHERE, userAgent: "vitest" })).toEqual([200, false]);
  expect(await recorded()).toEqual([["session.address-changed.v1", "success"]]);
  // The same place again, at a refresh too, is no news; another place is.
  const { status, body } = await refresh(patient, { ip: ELSEWHERE });
  expect(status).toBe(200);
  expect(await recorded()).toEqual([]);
  expect((await refresh(body, { ip: "203.0.113.99" })).status).toBe(200);
  expect(await recorded()).toEqual([["session.address-changed.v1", "success"]]);
  expect(await lives(patient.sessionId)).toBe(true);
});

test("a report about a client that violates no binding changes nothing, and nobody but the gateway reports", async () => {
  const { tokens, api } = await h.client(await h.person("doctor"));
  await h.events();
  expect(await report(tokens.sessionId, { ip: IP, userAgent: "vitest" })).toEqual([200, false]);
  expect(await recorded()).toEqual([]);
  expect((await api.post(`/internal/sessions/${tokens.sessionId}/strange-client`)).status).toBe(403);
  const forged = signedIn(h.app, actor("admin", { permissions: ["session:introspect:any"], userAgent: "x" }));
  expect((await forged.post(`/internal/sessions/${tokens.sessionId}/strange-client`)).status).toBe(403);
  expect(await lives(tokens.sessionId)).toBe(true);
});

test("the gateway finds in Redis, and at introspection, what a session is bound to", async () => {
  const { tokens } = await h.client(await h.person("doctor"));
  const bound = { net: IP, bindAgent: "enforce", bindAddress: "enforce", transport: "bearer", csrf: "" };
  expect(await h.redis.client.hgetall(`session:${tokens.sessionId}`)).toMatchObject(bound);
  const answer = await gateway({}).get(`/internal/sessions/${tokens.sessionId}`);
  expect(answer.body).toMatchObject(bound);
});
