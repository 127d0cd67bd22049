import { createHash } from "node:crypto";
import { ACCESS_COOKIE, type CloudEvent, newId } from "@medvault/contracts";
import { expect, test } from "vitest";
import { givenGateway, now, type Person, type TestGateway } from "../../test/harness.ts";

const AGENT = "clinic-console/4.2";
const ATTACK = encodeURIComponent("' UNION SELECT password FROM users--");
const EXPIRED = { iat: now() - 900, exp: now() - 600 };

/** A call with a request id of its own, which its answer shows: the id, status and `X-Audit`. */
async function send(edge: TestGateway, path: string, init: Parameters<TestGateway["call"]>[1] = {}) {
  const requestId = newId();
  const headers = { "user-agent": AGENT, ...(init.headers as object), "x-request-id": requestId };
  const answer = await edge.call(path, { ...init, headers });
  await answer.arrayBuffer();
  expect(answer.headers.get("x-request-id")).toBe(requestId);
  return { requestId, status: answer.status, audit: answer.headers.get("x-audit") };
}

const ofRequest = (events: CloudEvent[], id: string) => events.filter(({ requestid }) => requestid === id);
const actorOf = ({ sub, role, sid }: Person) => ({ id: sub, role, sessionId: sid });
const countOf = ({ data }: CloudEvent) => Number(data.details?.count ?? 1);

test("whatever somebody who is signed in is refused is found by its request id, once, with person, session and agent", async () => {
  const edge = await givenGateway({ MEDVAULT_LOGIN_RATE: "100000" });
  const doctor = await edge.signIn("doctor");
  const json = (value: string) => ({ method: "POST", body: value, as: doctor });
  const found: [sent: Awaited<ReturnType<typeof send>>, by: Person, status: number, reason: string][] = [];
  const refused = async (
    status: number,
    reason: string,
    path: string,
    init: Parameters<TestGateway["call"]>[1] = {},
    by = doctor,
  ) => {
    const sent = await send(edge, path, { as: by, ...init });
    expect([sent.status, sent.audit], `${path} ${reason}`).toEqual([status, null]);
    found.push([sent, by, status, reason]);
  };
  // The first of all: nobody has seen this token yet.
  await refused(400, "sqli", `/docs?q=${ATTACK}`);
  await refused(400, "traversal", "/v1/files/..%2f..%2fetc%2fpasswd");
  await refused(400, "xss", "/docs", { headers: { "x-anything": "<script>alert(1)</script>" } });
  await refused(400, "sqli", "/v1/claims", json(JSON.stringify({ diagnosisCode: "x' or '1'='1" })));
  await refused(404, "not_found", "/v1/no-such-thing");
  await refused(400, "request_malformed", "/v1/patients?limit=1&limit=2");
  await refused(400, "request_malformed", "/v1/patients?misspelt=1");
  await refused(400, "request_malformed", "/v1/claims", json("{"));
  await refused(400, "request_malformed", "/v1/claims", { headers: { "x-method-override": "PUT" } });
  await refused(405, "method_not_allowed", "/v1/claims", { method: "PROPFIND" });
  await refused(413, "too_large", "/v1/claims", json(`"${"a".repeat(2 ** 20)}"`));
  await refused(414, "uri_too_long", `/v1/claims?q=${"a".repeat(9_000)}`);
  await refused(415, "unsupported_media_type", "/v1/claims", {
    ...json("a"),
    headers: { "content-type": "text/plain" },
  });
  const expired = await edge.signIn("doctor", { claims: EXPIRED });
  await refused(401, "token_refused", "/v1/patients", {}, expired);
  await refused(400, "sqli", `/docs?q=${ATTACK}`, {}, expired);
  const ended = await edge.signIn("patient", { cached: false });
  edge.auth.sessions.delete(ended.sid);
  await refused(401, "token_refused", "/v1/patients", {}, ended);
  const enrolling = await edge.signIn("admin", { session: { enroll: "1" } });
  await refused(403, "enrollment_required", "/v1/patients", {}, enrolling);
  const csrf = createHash("sha256").update("token").digest("hex");
  const browser = await edge.signIn("doctor", { session: { transport: "cookie", csrf } });
  const cookie = `${ACCESS_COOKIE}=${browser.token}`;
  await refused(403, "csrf_failed", "/v1/claims", { ...json("{}"), as: "", headers: { cookie } }, browser);
  await refused(400, "request_malformed", "/v1/claims", { headers: { cookie } });
  // What a service says of an event of its own, of the code alone, and of nothing.
  for (const [status, said, reason] of [
    [400, "invalid_input", "invalid_input"],
    [409, undefined, "status_409"],
    [422, "<script>", "status_422"],
    [503, "search_loading", "search_loading"],
    [403, "recorded", ""],
  ] as const) {
    edge.services.records.handler = (_req, res) => {
      if (said) res.setHeader("x-medvault-record", said);
      res.writeHead(status, { "content-type": "application/problem+json" }).end("{}");
    };
    if (reason) await refused(status, reason, "/v1/claims");
    else found.push([await send(edge, "/v1/claims", { as: doctor }), doctor, 0, ""]);
  }
  edge.services.records.handler = (_req, res) => void res.destroy();
  await refused(502, "bad_gateway", "/v1/claims", json("{}"));
  await edge.services.records.stop();
  await refused(503, "unavailable", "/v1/claims");
  const newcomer = await edge.signIn("doctor");
  edge.redisLink.cut();
  await refused(503, "unavailable", "/v1/files", {}, newcomer);
  const { raw, events } = await edge.audited();
  expect(raw).not.toMatch(/union|script|passwd/i);
  for (const [{ requestId }, by, status, reason] of found) {
    const expected = {
      subject: "address/127.0.0.1",
      data: {
        actor: actorOf(by),
        from: { ip: "127.0.0.1", userAgent: AGENT },
        decision: { reason, allowed: status >= 500 },
        outcome: status >= 500 ? "failure" : "denied",
      },
    };
    expect(ofRequest(events, requestId), reason).toMatchObject(reason ? [expected] : []);
  }
}, 60_000);

test("threat: an attack in the user agent is no agent in the log; a forged token names nobody", async () => {
  const edge = await givenGateway();
  const doctor = await edge.signIn("doctor");
  const scan = await send(edge, "/docs", { as: doctor, headers: { "user-agent": "sqlmap/1.8 secret-mark" } });
  const [head, body] = doctor.token.split(".");
  const forged = await send(edge, `/docs?q=${ATTACK}`, { as: `${head}.${body}.${"A".repeat(86)}` });
  const { raw, events } = await edge.audited();
  expect(raw).not.toContain("secret-mark");
  expect(ofRequest(events, scan.requestId)).toMatchObject([
    { data: { actor: actorOf(doctor), from: { userAgent: "" }, details: { kind: "scanner" } } },
  ]);
  expect(ofRequest(events, forged.requestId)).toMatchObject([{ data: { actor: null } }]);
});

test("threat: a flood of guests' attacks neither fills the log nor hides one of somebody who is signed in", async () => {
  const edge = await givenGateway({ MEDVAULT_TRUSTED_PROXIES: "127.0.0.1" });
  const doctor = await edge.signIn("doctor");
  // More addresses than there is room for guests' events, then many of one.
  const guest = async (i: number) => {
    const ip = i < 1_200 ? `198.51.${100 + Math.floor(i / 250)}.${i % 250}` : "192.0.2.7";
    await send(edge, `/docs?q=${ATTACK}`, { headers: { "x-forwarded-for": ip } });
  };
  for (let i = 0; i < 3_000; i += 100) await Promise.all(Array.from({ length: 100 }, (_, k) => guest(i + k)));
  const mine = await Promise.all(
    Array.from({ length: 20 }, () => send(edge, `/docs?q=${ATTACK}`, { as: doctor })),
  );
  const { events } = await edge.audited();
  for (const { requestId } of mine) {
    expect(ofRequest(events, requestId)).toMatchObject([{ data: { actor: actorOf(doctor) } }]);
  }
  const others = events.filter(({ data }) => data.actor === null);
  expect(others.length).toBeLessThanOrEqual(2_002);
  expect(others.reduce((sum, event) => sum + countOf(event), 0)).toBe(3_000);
}, 60_000);

test("threat: a person's flood is bounded by their rate limit: beyond it events are counted exactly, and each answer says so", async () => {
  const edge = await givenGateway({ MEDVAULT_RATE_LIMIT: "5" });
  const doctor = await edge.signIn("doctor");
  const sent = [];
  for (let i = 0; i < 9; i++) sent.push(await send(edge, `/docs?q=${ATTACK}`, { as: doctor }));
  for (let i = 0; i < 9; i++) sent.push(await send(edge, "/v1/patients", { as: doctor }));
  const other = await send(edge, "/v1/no-such-thing", { as: await edge.signIn("doctor") });
  const { events } = await edge.audited();
  const refused = sent.filter(({ status }) => status >= 400);
  expect(refused.map(({ status }) => status)).toEqual([...Array(9).fill(400), ...Array(4).fill(429)]);
  expect(refused.map(({ audit }) => audit)).toEqual([...Array(10).fill(null), ...Array(3).fill("counted")]);
  for (const { requestId } of refused.slice(0, 10)) expect(ofRequest(events, requestId)).toHaveLength(1);
  const ofDoctor = events.filter(({ data }) => data.actor?.id === doctor.sub);
  expect(ofDoctor.map(countOf).sort()).toEqual([...Array(10).fill(1), 3]);
  expect([other.status, other.audit]).toEqual([429, null]);
  expect(ofRequest(events, other.requestId)).toHaveLength(1);
});

test("what auth does about a stolen session is found by the request that gave it away", async () => {
  const edge = await givenGateway();
  const bound = { uaHash: "another", bindAgent: "enforce" };
  const doctor = await edge.signIn("doctor", { session: bound });
  const { requestId, status } = await send(edge, "/v1/patients", { as: doctor });
  expect(status).toBe(401);
  const report = edge.services.auth.seen.find(({ url }) => url.endsWith("/strange-client"));
  expect(report?.headers["x-request-id"]).toBe(requestId);
});
