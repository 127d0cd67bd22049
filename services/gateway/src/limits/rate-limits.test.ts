import { newId } from "@medvault/contracts";
import { expect, test } from "vitest";
import { spawnGateway } from "../../test/gateway-process.ts";
import { finallyDo, givenGateway, givenHarness, type Person, problemOf } from "../../test/harness.ts";

/** How long one request waits for a Redis that hangs (admission.store.ts). */
const REDIS_WAIT_MS = 600;
async function tally(calls: Promise<Response>[]): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const answer of await Promise.all(calls)) {
    await answer.arrayBuffer();
    found[answer.status] = (found[answer.status] ?? 0) + 1;
  }
  return found;
}

test("two gateway processes on one Redis admit, of every limit together, exactly what it allows", async () => {
  const harness = await givenHarness();
  const env = {
    ...harness.env,
    REDIS_URL: harness.redis.url,
    MEDVAULT_RATE_LIMIT: "60",
    MEDVAULT_LOGIN_RATE: "4",
    MEDVAULT_FORGOT_RATE: "5",
    MEDVAULT_PATIENTS_PER_HOUR: "7",
    MEDVAULT_TRUSTED_PROXIES: "127.0.0.1",
  };
  const both = await Promise.all([spawnGateway(env), spawnGateway(env)]);
  finallyDo(() => Promise.all(both.map((gateway) => gateway.stop())));
  let turn = 0;
  const call = (ip: string, path: string, init: RequestInit & { as?: Person } = {}) =>
    fetch(`${both[turn++ % 2]?.url}${path}`, {
      ...init,
      headers: {
        "x-forwarded-for": ip,
        "content-type": "application/json",
        ...(init.as ? { authorization: `Bearer ${init.as.token}` } : {}),
      },
    });
  const times = (count: number, one: (i: number) => Promise<Response>) =>
    tally(Array.from({ length: count }, (_, i) => one(i)));
  const post = { method: "POST", body: "{}" };

  // of an address
  expect(await times(100, () => call("198.51.100.1", "/docs"))).toEqual({ 200: 60, 429: 40 });
  expect(await times(20, () => call("198.51.100.2", "/v1/auth/login", post))).toEqual({ 200: 4, 429: 16 });
  expect(await times(20, () => call("198.51.100.3", "/v1/auth/password/forgot", post))).toEqual({
    200: 5,
    429: 15,
  });
  expect(await times(40, () => call("198.51.100.4", "/v1/auth/register", post))).toEqual({
    200: 24,
    429: 16,
  });
  // of a user, from many addresses: 120 points, of which a read takes 1 and a search 2
  const address = (i: number) => `203.0.113.${i % 250}`;
  const [reader, searcher, walker] = await Promise.all([
    harness.signIn("doctor"),
    harness.signIn("doctor"),
    harness.signIn("doctor"),
  ]);
  expect(await times(150, (i) => call(address(i), "/v1/claims", { as: reader }))).toEqual({
    200: 120,
    429: 30,
  });
  const search = { ...post, as: searcher };
  expect(await times(40, (i) => call(address(i), "/v1/patients/search", search))).toEqual({
    200: 30,
    429: 10,
  });
  // different patients of a user
  const patients = Array.from({ length: 12 }, () => newId());
  const paths = ["", "/records", "/care-team"];
  const walk = (i: number) =>
    call(address(i), `/v1/patients/${patients[i % 12]}${paths[i % 3]}`, { as: walker });
  expect(await times(12, walk)).toEqual({ 200: 7, 429: 5 });
  expect(await times(24, walk)).toEqual({ 200: 14, 429: 10 });
});

test("export and upload have limits of their own, and cost their user more than a read", async () => {
  const edge = await givenGateway({ MEDVAULT_RATE_LIMIT: "60", MEDVAULT_TRUSTED_RANGES: "127.0.0.0/8" });
  const [exporter, uploader] = await Promise.all([edge.signIn("doctor"), edge.signIn("doctor")]);
  const everything = await edge.call(`/v1/fhir/Patient/${newId()}/$everything`, { as: exporter });
  expect(everything.headers.get("ratelimit-policy")).toBe(
    '"patients";q=1000;w=3600, "export";q=6;w=60, "user";q=120;w=60, "general";q=600;w=60',
  );
  expect(everything.headers.get("ratelimit")).toMatch(
    /^"patients";r=999;t=3600, "export";r=5;t=\d+, "user";r=110;t=\d+, "general";r=599;t=\d+$/,
  );
  const exports = Array.from({ length: 8 }, () => edge.call("/v1/audit/export", { as: exporter }));
  expect(await tally(exports)).toEqual({ 200: 5, 429: 3 });
  const post = { method: "POST", body: "x", as: uploader };
  const uploads = Array.from({ length: 31 }, () => edge.call("/v1/files", post));
  expect(await tally(uploads)).toEqual({ 200: 30, 429: 1 });
  const after = await edge.call("/v1/claims", { as: uploader });
  expect([after.status, after.headers.get("ratelimit-policy")]).toEqual([429, '"user";q=120;w=60']);
});

test("threat: a user who tries many names for accounts to link is stopped after a few a minute", async () => {
  const edge = await givenGateway({ MEDVAULT_RATE_LIMIT: "120" });
  const doctor = await edge.signIn("doctor");
  const lookup = { method: "POST", body: JSON.stringify({ identifier: "ada" }), as: doctor };
  const lookups = Array.from({ length: 9 }, () => edge.call("/v1/directory/search", lookup));
  expect(await tally(lookups)).toEqual({ 200: 6, 429: 3 });
});

test("only trusted ranges have ten times an address's limits", async () => {
  const edge = await givenGateway({
    MEDVAULT_RATE_LIMIT: "5",
    MEDVAULT_LOGIN_RATE: "1",
    MEDVAULT_TRUSTED_PROXIES: "127.0.0.1",
    MEDVAULT_TRUSTED_RANGES: "192.0.2.0/24, 2001:db8:7::/48",
  });
  const from = (ip: string, path = "/docs", init: RequestInit = {}) =>
    edge.call(path, { ...init, headers: { "x-forwarded-for": ip } });
  for (const [ip, allowed] of [
    ["192.0.2.9", 50],
    ["2001:db8:7::1", 50],
    ["198.51.100.9", 5],
    ["192.0.3.9", 5],
  ] as const) {
    expect(await tally(Array.from({ length: 60 }, () => from(ip))), ip).toEqual({
      200: allowed,
      429: 60 - allowed,
    });
  }
  const login = { method: "POST", body: "{}" };
  const clinic = Array.from({ length: 12 }, () => from("192.0.2.10", "/v1/auth/login", login));
  expect(await tally(clinic)).toEqual({ 200: 10, 429: 2 });
});

test("a user who opens too many patients is refused those alone, and the log says who", async () => {
  const edge = await givenGateway({ MEDVAULT_PATIENTS_PER_HOUR: "2" });
  const doctor = await edge.signIn("doctor");
  const [one, two, three] = [newId(), newId(), newId()];
  const open = (as: Person, path: string) => edge.call(path, { as });
  for (const id of [one, two, one, two.toUpperCase()]) {
    expect((await open(doctor, `/v1/patients/${id}`)).status).toBe(200);
  }
  const over = await open(doctor, `/v1/patients/${three}/records`);
  expect(await problemOf(over)).toEqual([429, "too_many_patients"]);
  for (const query of [
    `limit=5&patientId=${three}`,
    `patien%74Id=%${three.charCodeAt(0).toString(16)}${three.slice(1)}`,
  ]) {
    expect((await open(doctor, `/v1/prescriptions?${query}`)).status, query).toBe(429);
  }
  expect(Number(over.headers.get("retry-after"))).toBeGreaterThan(3_000);
  expect((await open(doctor, `/v1/patients/${one}`)).status).toBe(200);
  expect((await open(doctor, "/v1/patients")).status).toBe(200);
  expect((await open(await edge.signIn("doctor"), `/v1/patients/${three}`)).status).toBe(200);
  const seen = edge.services.records.seen.filter(({ url }) => url.includes(`${three}/records`));
  expect(seen).toEqual([]);
  expect((await edge.audited()).events).toContainEqual(
    expect.objectContaining({
      type: "medvault.gateway.request.too_many_patients.v1",
      data: expect.objectContaining({
        actor: { id: doctor.sub, role: "doctor", sessionId: doctor.sid },
        outcome: "denied",
        patientIds: [],
      }),
    }),
  );
});

test("a Redis that hangs costs the first few requests a short wait, and the others none", async () => {
  const edge = await givenGateway({});
  const doctor = await edge.signIn("doctor");
  expect((await edge.call("/v1/claims", { as: doctor })).status).toBe(200);
  edge.redisLink.stall();
  let waited = 0;
  for (let i = 0; i < 40; i++) {
    const since = performance.now();
    const answer = await edge.call("/v1/claims", { as: doctor });
    const tookMs = performance.now() - since;
    if (tookMs > REDIS_WAIT_MS / 2) waited += 1;
    expect(answer.status).toBe(503);
    expect(tookMs).toBeLessThan(2_000);
    await answer.arrayBuffer();
  }
  expect(waited).toBeLessThan(20);
});
