import { createHash } from "node:crypto";
import { connectRedis } from "@medvault/runtime";
import { actor, startTestService, type TestClient, type TestService } from "@medvault/testing";
import type { Redis } from "ioredis";
import jsqr from "jsqr";
import { PNG } from "pngjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, ENV, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import type { AuthContext } from "../context.ts";
import { service } from "../service.ts";

// Two instances over one Postgres and one Redis, as replicas are: no process may count alone.
let h: Harness;
let replica: TestService<AuthContext>;
let replicas: TestClient[];
let redis: Redis;
beforeAll(async () => {
  h = await createHarness();
  redis = connectRedis(h.redis.url);
  await new Promise((resolve) => redis.once("ready", resolve));
  const { db: database, keyring } = h;
  const pool = database.pool("auth", { prepared: true });
  replica = await startTestService(service, { database, keyring, pool, redis, env: ENV, now: h.ctx.now });
  replicas = [h.guest(), replica.as(actor("guest"))];
});
afterAll(async () => {
  await replica.close();
  redis.disconnect();
  await h.close();
});

interface Setup {
  secret: string;
  otpauthUrl: string;
  qrCode: string;
  recoveryCodes: string[];
}
const at = (i: number): TestClient => replicas[i % replicas.length] ?? h.guest();
const halfOf = async (person: Person) => {
  const body = { identifier: person.account.username, password: PASSWORD };
  return (await h.guest().post<Answer>("/v1/auth/login", body)).body.mfaToken;
};
const challenge = (api: TestClient, mfaToken: string, code: string) =>
  api.post<Answer>("/v1/auth/mfa/challenge", { mfaToken, code });

/** A doctor who has just enrolled. */
async function enrolled(): Promise<{ person: Person; setup: Setup; api: TestClient }> {
  const person = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
  const body = { identifier: person.account.username, password: PASSWORD };
  const login = await h.guest().post<Answer>("/v1/auth/login", body);
  const api = await h.withToken(login.body.accessToken);
  const { body: setup } = await api.post<Setup>("/v1/auth/mfa/setup");
  const owner = { ...person, totpSecret: setup.secret };
  const done = await api.post<Answer>("/v1/auth/mfa/verify", { code: h.code(owner) });
  expect(done.status).toBe(200);
  return { person: owner, setup, api: await h.withToken(done.body.accessToken) };
}

/** 50 at once, through both instances, by ten half-finished sign-ins. */
async function fifty(person: Person, code: string) {
  const tokens: string[] = [];
  for (let i = 0; i < 10; i++) tokens.push(await halfOf(person));
  return Promise.all(Array.from({ length: 50 }, (_, i) => challenge(at(i), tokens[i % 10] ?? "", code)));
}

test("of 50 uses of one TOTP code at once at two instances one wins", async () => {
  const person = await h.person("doctor");
  const answers = await fifty(person, h.code(person));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.every(({ status }) => [200, 401, 429].includes(status))).toBe(true);
  const { rows } = await h.ctx.pool.query("select from sessions where user_id = $1", [person.account.id]);
  expect(rows).toHaveLength(1);
});

test("of 50 uses of one recovery code at once at two instances one wins, and nine are left", async () => {
  const { person, setup } = await enrolled();
  const answers = await fifty(person, setup.recoveryCodes[0] ?? "");
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  const { rows } = await h.ctx.pool.query("select code_token from recovery_codes where user_id = $1", [
    person.account.id,
  ]);
  expect(rows).toHaveLength(9);
});

test("recovery codes are kept as 16 bytes of an HMAC, and a new ten kills the old", async () => {
  const { person, setup, api } = await enrolled();
  const { rows } = await h.ctx.pool.query<{ code_token: Buffer }>(
    "select code_token from recovery_codes where user_id = $1",
    [person.account.id],
  );
  const kept = rows.map((row) => row.code_token);
  expect(new Set(kept.map((token) => token.length))).toEqual(new Set([16]));
  for (const code of setup.recoveryCodes) {
    for (const text of [code, code.replaceAll("-", "")]) {
      const digest = createHash("sha256").update(text).digest().subarray(0, 16);
      expect(kept.some((token) => token.equals(digest))).toBe(false);
    }
  }
  h.advance(30_000);
  const body = { password: PASSWORD, code: h.code(person) };
  const { body: fresh } = await api.post<{ recoveryCodes: string[] }>("/v1/auth/mfa/recovery-codes", body);
  for (const old of setup.recoveryCodes.slice(0, 2)) {
    expect((await challenge(h.guest(), await halfOf(person), old)).body.code).toBe("invalid_code");
  }
  expect((await challenge(h.guest(), await halfOf(person), fresh.recoveryCodes[9] ?? "")).status).toBe(200);
});

test("wrong recovery codes count toward the lockout, at whichever instance", async () => {
  const person = await h.person("doctor");
  for (let i = 0; i < 5; i++) {
    const answer = await challenge(at(i), await halfOf(person), `0000-0000-0000-000${i}`);
    expect(answer.body.code).toBe("invalid_code");
  }
  for (const api of replicas) {
    const login = await api.post<Answer>("/v1/auth/login", {
      identifier: person.account.username,
      password: PASSWORD,
    });
    expect([login.status, login.body.code]).toEqual([429, "login_locked"]);
  }
});

test("ways around the second factor leave events of their own", async () => {
  const person = await h.person("doctor");
  const first = await halfOf(person);
  const code = h.code(person);
  expect((await challenge(h.guest(), first, code)).status).toBe(200);
  await h.events();
  expect((await challenge(h.guest(), first, h.code(person, 1))).body.code).toBe("mfa_token_invalid");
  expect((await challenge(h.guest(), "x".repeat(43), code)).body.code).toBe("mfa_token_invalid");
  const half = await halfOf(person);
  expect((await challenge(h.guest(), half, code)).body.code).toBe("invalid_code"); // right, and used
  const bypasses = (await h.events()).filter(({ type }) => type.includes("bypass"));
  expect(bypasses.map((event) => [event.type, event.data.outcome, event.data.decision.reason])).toEqual([
    ["medvault.auth.mfa.bypass-attempted.v1", "denied", "mfa_token_invalid"],
    ["medvault.auth.mfa.bypass-attempted.v1", "denied", "mfa_token_invalid"],
    ["medvault.auth.mfa.bypass-attempted.v1", "denied", "code_replayed"],
  ]);
});

test("the QR code reads as the otpauth URL, with secret, issuer and name", async () => {
  const { setup, person } = await enrolled();
  const png = PNG.sync.read(Buffer.from(setup.qrCode.replace("data:image/png;base64,", ""), "base64"));
  // The package is CommonJS: its types call the function `default`, node calls it the module.
  const decode = jsqr as unknown as typeof jsqr.default;
  const read = decode(new Uint8ClampedArray(png.data), png.width, png.height)?.data;
  expect(read).toBe(setup.otpauthUrl);
  const url = new URL(read ?? "");
  expect([url.protocol, url.host]).toEqual(["otpauth:", "totp"]);
  expect(decodeURIComponent(url.pathname)).toBe(`/MedVault:${person.account.username}`);
  expect(Object.fromEntries(url.searchParams)).toMatchObject({ secret: setup.secret, issuer: "MedVault" });
});
