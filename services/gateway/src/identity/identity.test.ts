import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { newId } from "@medvault/contracts";
import { type CryptoKey, generateKeyPair, importPKCS8 } from "jose";
import { expect, test } from "vitest";
import { givenGateway, now, problemOf } from "../../test/harness.ts";

const PATH = "/v1/patients";
const edge = await givenGateway();
const doctor = await edge.signIn("doctor");

const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
type Forge = () => Promise<string> | string;

/** Forged tokens by the ids of the public list of attacks, and our own. */
function forgeries(): Record<string, Forge> {
  const { auth } = edge;
  const claims = { sub: doctor.sub, sid: doctor.sid, role: "doctor", scope: "patient:read:any" };
  const payload = {
    iss: "medvault",
    aud: "medvault-gateway",
    iat: now(),
    exp: now() + 300,
    pv: 1,
    amr: [],
    auth_time: now(),
    ...claims,
  };
  const header = (alg: string) => ({ alg, typ: "at+jwt", kid: auth.kid });
  const [head = "", body = "", signature = ""] = doctor.token.split(".");
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsaPem = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const publicKey = createPublicKey({ key: auth.publicJwk as JsonWebKey, format: "jwk" });
  const hs256 = (secret: string | Buffer, kid = auth.kid) => {
    const input = `${b64({ ...header("HS256"), kid })}.${b64(payload)}`;
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
  };
  const unsigned = (alg: string) => () => `${b64(header(alg))}.${b64(payload)}.`;
  const foreign = async (over: Record<string, unknown> = {}) => {
    const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
    return auth.token(claims, over, privateKey as CryptoKey);
  };
  return {
    "alg-none": unsigned("none"),
    "alg-None": unsigned("None"),
    "sig-stripped": () => `${head}.${body}.`,
    "confusion-HS256-pem": () => hs256(publicKey.export({ type: "spki", format: "pem" }).toString()),
    "confusion-HS256-x": () => hs256(Buffer.from(String(auth.publicJwk.x), "base64url")),
    "foreign-RS256": async () =>
      auth.token(claims, { alg: "RS256" }, (await importPKCS8(rsaPem, "RS256")) as CryptoKey),
    "embedded-jwk-RS256": async () =>
      auth.token(
        claims,
        { alg: "RS256", jwk: rsa.publicKey.export({ format: "jwk" }) },
        (await importPKCS8(rsaPem, "RS256")) as CryptoKey,
      ),
    "embedded-jwk": () => foreign({ jwk: auth.publicJwk }),
    "foreign-EdDSA": () => foreign(),
    "kid:/dev/null": () => hs256("", "/dev/null"),
    "kid-unknown": () => foreign({ kid: "unknown" }),
    "jku-outside": () => foreign({ jku: "http://127.0.0.1:1/jwks.json" }),
    "exp-past": () => auth.token({ ...claims, iat: now() - 600, exp: now() - 300 }),
    "exp-past-beyond-leeway-only": () => auth.token({ ...claims, exp: now() - 61 }),
    "exp-past-by-half-a-minute": () => auth.token({ ...claims, exp: now() - 31 }),
    "exp-missing": () => auth.token({ ...claims, exp: undefined as unknown as number }),
    "exp-string": () => auth.token({ ...claims, exp: String(now() + 300) as unknown as number }),
    "nbf-future": () => auth.token({ ...claims, nbf: now() + 300 }),
    "iat-future": () => auth.token({ ...claims, iat: now() + 300 }),
    "aud-wrong": () => auth.token({ ...claims, aud: "another" }),
    "aud-missing": () => auth.token({ ...claims, aud: undefined as unknown as string }),
    "iss-wrong": () => auth.token({ ...claims, iss: "evil" }),
    "iss-missing": () => auth.token({ ...claims, iss: undefined as unknown as string }),
    "typ-wrong": () => auth.token(claims, { typ: "JWT" }),
    "typ-assertion": () => auth.token(claims, { typ: "assertion+jwt" }),
    "typ-missing": () => auth.token(claims, { typ: undefined }),
    "sub-missing": () => auth.token({ ...claims, sub: undefined as unknown as string }),
    "sub-swapped": () => auth.token({ ...claims, sub: newId() }),
    "sid-missing": () => auth.token({ ...claims, sid: undefined }),
    "role-raised": () => `${head}.${b64({ ...payload, role: "admin" })}.${signature}`,
    "role-other-than-the-session": () => auth.token({ ...claims, role: "admin" }),
    "session-never-there": () => auth.token({ ...claims, sid: newId() }),
    "payload-garbage": () => `${head}.bm90IGpzb24.${signature}`,
    "two-tokens": () => `${doctor.token} ${doctor.token}`,
    oversized: () => `${head}.${"A".repeat(9_000)}.${signature}`,
    "the-gateways-own-assertion": () =>
      String(edge.services.records.seen.at(-1)?.headers["x-medvault-assertion"]),
  };
}

test("a good token gets through, as an assertion that names the caller, and nothing of the client's own", async () => {
  const answer = await edge.call(PATH, { as: doctor });
  expect(answer.status).toBe(200);
  expect(edge.services.records.seen.at(-1)?.claims).toMatchObject({
    sub: doctor.sub,
    sid: doctor.sid,
    role: "doctor",
    ip: "127.0.0.1",
  });
});

test("every forged token is 401, and no service is reached", async () => {
  await edge.call(PATH, { as: doctor });
  for (const [name, forge] of Object.entries(forgeries())) {
    const token = await forge();
    const before = edge.services.records.seen.length;
    const answer = await edge.call(PATH, { as: token });
    expect(await problemOf(answer), name).toEqual([401, "unauthenticated"]);
    expect(answer.headers.get("www-authenticate"), name).toBe("Bearer");
    expect(edge.services.records.seen.length, name).toBe(before);
  }
});

test("the public list of attacks has no shape of a forged signature or claim that is not tried here", () => {
  const file = new URL("../../../../../shared/data/jwt/attack_cases.json", import.meta.url);
  if (!existsSync(file)) return;
  const cases = JSON.parse(readFileSync(file, "utf8")) as { id: string }[];
  const tried = Object.keys(forgeries());
  const ours = cases
    .map(({ id }) => id)
    .filter((id) => /^(alg-|sig-|confusion-HS256-pem|foreign-|embedded-|kid:|exp-|nbf-|iat-|aud-)/.test(id));
  expect(
    ours.filter((id) => !tried.some((name) => name === id || name.startsWith(id) || id.startsWith(name))),
  ).toEqual([]);
});

test("no token, another scheme and an empty one are 401 where a route needs a session", async () => {
  for (const authorization of [undefined, "Basic YTpi", "Bearer", "Bearer ", "Token x"]) {
    const answer = await edge.call(PATH, authorization === undefined ? {} : { headers: { authorization } });
    expect(answer.status, String(authorization)).toBe(401);
  }
});

test("a session that ended is refused with the next request, though its token is remembered", async () => {
  const patient = await edge.signIn("patient");
  expect((await edge.call(PATH, { as: patient })).status).toBe(200);
  await edge.redis.client.set(`ended:${patient.sid}`, "1");
  await edge.redis.client.del(`session:${patient.sid}`);
  edge.auth.sessions.delete(patient.sid);
  expect((await edge.call(PATH, { as: patient })).status).toBe(401);
});

test("idle and absolute ends are kept, and a request moves the idle end but never past the absolute one", async () => {
  const idle = await edge.signIn("doctor", { session: { idleEnd: String(Date.now() - 1) } });
  expect((await edge.call(PATH, { as: idle })).status).toBe(401);
  const over = await edge.signIn("doctor", { session: { absEnd: String(Date.now() - 1) } });
  expect((await edge.call(PATH, { as: over })).status).toBe(401);
  const absEnd = Date.now() + 120_000;
  const live = await edge.signIn("doctor", {
    session: { idleEnd: String(Date.now() + 5_000), absEnd: String(absEnd) },
  });
  expect((await edge.call(PATH, { as: live })).status).toBe(200);
  expect(await edge.redis.client.hget(`session:${live.sid}`, "idleEnd")).toBe(String(absEnd));
});

test("a changed permission holds for tokens already out, from the next request on", async () => {
  const auditor = await edge.signIn("auditor");
  await edge.call("/v1/audit/events", { as: auditor });
  expect(edge.services.audit.seen.at(-1)?.claims?.scope).toContain("audit:read:any");
  await edge.redis.client.mset("pv:auditor", "2", "scope:auditor", "account:read:own");
  await edge.call("/v1/audit/events", { as: auditor });
  expect(edge.services.audit.seen.at(-1)?.claims?.scope).toBe("account:read:own");
  await edge.redis.client.mset("pv:auditor", "1");
});

test("for a session that Redis does not know auth is asked, once for many requests at a time", async () => {
  const person = await edge.signIn("doctor", { cached: false });
  edge.auth.introspections = 0;
  const answers = await Promise.all(Array.from({ length: 10 }, () => edge.call(PATH, { as: person })));
  expect(answers.map((answer) => answer.status)).toEqual(Array(10).fill(200));
  expect(edge.auth.introspections).toBeLessThan(10);
  const asked = edge.services.auth.seen.find((seen) => seen.url === `/internal/sessions/${person.sid}`);
  expect(asked?.claims).toMatchObject({ sub: "service:gateway", role: "service" });
  expect(asked?.claims?.scope.split(" ")).toContain("session:introspect");
});

test("a Redis that auth has not filled answers nothing: auth is asked", async () => {
  const person = await edge.signIn("doctor");
  const filled = await edge.redis.client.get("sessions:filled");
  await edge.redis.client.set("sessions:filled", "the run id of another Redis");
  try {
    edge.auth.introspections = 0;
    expect((await edge.call(PATH, { as: person })).status).toBe(200);
    expect(edge.auth.introspections).toBe(1);
    edge.auth.sessions.delete(person.sid);
    expect((await edge.call(PATH, { as: person })).status).toBe(401);
  } finally {
    await edge.redis.client.set("sessions:filled", filled ?? "");
  }
});

test("an enrolment-only session reaches the set-up of a second factor and nothing else", async () => {
  const person = await edge.signIn("doctor", {
    session: { enroll: "1" },
    claims: { scope: "account:enroll:own" },
  });
  const reached: [string, string][] = [
    ["POST", "/v1/auth/mfa/setup"],
    ["POST", "/v1/auth/mfa/verify"],
    ["GET", "/v1/auth/mfa/status"],
    ["POST", "/v1/auth/logout"],
  ];
  for (const [method, path] of reached) {
    expect((await edge.call(path, { method, as: person })).status, path).toBe(200);
    expect(edge.services.auth.seen.at(-1)?.claims?.scope).toBe("account:enroll:own");
  }
  for (const path of [
    PATH,
    "/v1/auth/me",
    "/v1/auth/sessions",
    "/v1/files",
    "/v1/audit/checkpoint",
    "/v1/auth/mfa/setup/",
  ]) {
    const answer = await edge.call(path, { as: person });
    expect(await problemOf(answer), path).toEqual([403, "mfa_enrollment_required"]);
  }
  // Also when the token itself claims more than the session does.
  const { sub, sid, role } = person;
  const token = await edge.auth.token({ sub, sid, role, scope: "patient:read:any" });
  expect((await edge.call(PATH, { as: token })).status).toBe(403);
});

test("an unknown kid makes the gateway ask auth for keys at most once in 30 s", async () => {
  const before = edge.auth.jwksRequests;
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  for (let i = 0; i < 5; i++) {
    const token = await edge.auth.token(
      { sub: newId(), sid: newId(), role: "doctor", scope: "" },
      { kid: `k${i}` },
      privateKey,
    );
    expect((await edge.call(PATH, { as: token })).status).toBe(401);
  }
  expect(edge.auth.jwksRequests - before).toBeLessThanOrEqual(1);
});

test("public routes ignore credentials: the caller is a guest there", async () => {
  const answer = await edge.call("/v1/auth/login", { method: "POST", as: "garbage", body: "{}" });
  expect(answer.status).toBe(200);
  expect(edge.services.auth.seen.at(-1)?.claims).toMatchObject({ sub: "guest", role: "guest", scope: "" });
});

test("a Redis that lost its scripts, as after a restart or failover, is given them again unnoticed", async () => {
  await edge.redis.client.script("FLUSH", "SYNC");
  for (let i = 0; i < 3; i++) expect((await edge.call(PATH, { as: doctor })).status).toBe(200);
  await edge.redis.client.script("FLUSH", "SYNC");
  const answers = await Promise.all(Array.from({ length: 20 }, () => edge.call(PATH, { as: doctor })));
  expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
});

test("auth's keys are still known when auth is away; a session that only auth knows is 503 then", async () => {
  const cached = await edge.signIn("doctor");
  const unknown = await edge.signIn("doctor", { cached: false });
  await edge.services.auth.stop();
  try {
    expect((await edge.call(PATH, { as: cached })).status).toBe(200);
    const answer = await edge.call(PATH, { as: unknown });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
  } finally {
    await edge.services.auth.start();
  }
});

test("a guest reaches what guests are given, from the next request on, and nothing else of it", async () => {
  const proofs = ["/v1/audit/checkpoint", "/v1/audit/checkpoints", "/v1/audit/tile/0/000"];
  const closed = ["/v1/audit/events", "/v1/audit/completeness", "/v1/patients", "/v1/auth/me", "/v1/roles"];
  const give = (scope: string) => edge.redis.client.mset("pv:guest", "2", "scope:guest", scope);
  const statuses = async (paths: readonly string[]) => {
    const found: number[] = [];
    for (const path of paths) found.push((await edge.call(path)).status);
    return found;
  };
  expect(await statuses(proofs)).toEqual([401, 401, 401]);
  await give("audit:proof:any");
  expect(await statuses(proofs)).toEqual([200, 200, 200]);
  expect(edge.services.audit.seen.at(-1)?.claims).toMatchObject({
    ...{ sub: "guest", role: "guest", sid: null, scope: "audit:proof:any", auth_time: 0 },
  });
  expect(await statuses(closed)).toEqual(closed.map(() => 401));
  // A token that is none is not taken for a guest, and one that is good goes by its own role.
  const bad = await edge.call(proofs[0] as string, { headers: { authorization: "Bearer no.good.token" } });
  expect(bad.status).toBe(401);
  await give("account:register:own");
  expect(await statuses(proofs)).toEqual([401, 401, 401]);
});

test("threat: a permission that is not for guests is written into Redis, or Redis forgot everything", async () => {
  await edge.redis.client.mset(
    "pv:guest",
    "9",
    "scope:guest",
    "patient:read:any audit:read:any audit:proof:any",
  );
  for (const path of ["/v1/patients", "/v1/audit/events"]) expect((await edge.call(path)).status).toBe(401);
  const filled = (await edge.redis.client.get("sessions:filled")) ?? "";
  await edge.redis.client.set("sessions:filled", "another-run");
  expect((await edge.call("/v1/audit/checkpoint")).status).toBe(401);
  await edge.redis.client.set("sessions:filled", filled);
  expect((await edge.call("/v1/audit/checkpoint")).status).toBe(200);
});
