import { createHash } from "node:crypto";
import { beforeEach, expect, test, vi } from "vitest";
import { givenGateway, type Person, problemOf } from "../../test/harness.ts";

const PATH = "/v1/patients";
const AGENT = "Browser/1.0";
const edge = await givenGateway({ MEDVAULT_TRUSTED_PROXIES: "127.0.0.1" });
beforeEach(() => {
  edge.auth.violations.length = 0;
  edge.auth.violationEnds = true;
});

const uaHash = createHash("sha256").update(AGENT).digest("hex");
const signIn = (role: "doctor" | "patient", session: Record<string, string> = {}, cached = true) =>
  edge.signIn(role, {
    cached,
    session: { uaHash, net: "203.0.113.7", bindAgent: "enforce", bindAddress: "enforce", ...session },
  });
const call = (as: Person, { agent = AGENT, ip = "203.0.113.7" } = {}) =>
  edge.call(PATH, { as, headers: { "user-agent": agent, "x-forwarded-for": ip } });

test("the client that a session is bound to gets through, and nothing is reported", async () => {
  expect((await call(await signIn("doctor"))).status).toBe(200);
  expect((await call(await signIn("doctor", {}, false))).status).toBe(200);
  expect(edge.auth.violations).toEqual([]);
});

const others = { "user agent": { agent: "Browser/2.0" }, address: { ip: "198.51.100.1" } };

for (const [what, other] of Object.entries(others)) {
  for (const cached of [true, false]) {
    test(`another ${what} is 401, and auth ends the session (${cached ? "in Redis" : "asked for"})`, async () => {
      const doctor = await signIn("doctor", {}, cached);
      const before = edge.services.records.seen.length;
      const answer = await call(doctor, other);
      expect(await problemOf(answer)).toEqual([401, "unauthenticated"]);
      expect(edge.auth.violations).toEqual([doctor.sid]);
      expect(edge.services.records.seen.length).toBe(before);
      // Auth learns who it was from the gateway's own assertion.
      const reported = edge.services.auth.seen.findLast(({ url }) => url.endsWith("strange-client"));
      expect(reported?.claims).toMatchObject({
        sub: "service:gateway",
        ip: "ip" in other ? other.ip : "203.0.113.7",
        ua: "agent" in other ? other.agent : AGENT,
      });
    });
  }
}

test("a watched session goes on, and each violation of its binding is reported once", async () => {
  edge.auth.violationEnds = false;
  const patient = await signIn("patient", { bindAddress: "watch" });
  for (const ip of ["198.51.100.1", "198.51.100.1", "198.51.100.2", "203.0.113.7"]) {
    expect((await call(patient, { ip })).status).toBe(200);
  }
  await vi.waitFor(() => expect(edge.auth.violations).toEqual([patient.sid, patient.sid]));
});

test("what is not bound is not looked at, and IPv6 is compared by its /64", async () => {
  const free = await signIn("doctor", { bindAgent: "off", bindAddress: "off" });
  expect((await call(free, { agent: "other", ip: "198.51.100.9" })).status).toBe(200);
  const six = await signIn("doctor", { net: "2001:db8:1:2::/64" });
  expect((await call(six, { ip: "2001:db8:1:2:aaaa::1" })).status).toBe(200);
  expect(edge.auth.violations).toEqual([]);
  expect((await call(six, { ip: "2001:db8:1:3::1" })).status).toBe(401);
});

test("while auth does not answer, a client that violates a binding gets 503, and no service is reached", async () => {
  const doctor = await signIn("doctor");
  const before = edge.services.records.seen.length;
  await edge.services.auth.stop();
  try {
    expect((await call(doctor, { agent: "other" })).status).toBe(503);
    expect((await call(doctor)).status).toBe(200);
  } finally {
    await edge.services.auth.start();
  }
  expect(edge.services.records.seen.length).toBe(before + 1);
});
