import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";
import { createAccessTokenSigner } from "./access-token-signer.service.ts";
import { publicJwks, rotateDaily, rotateSigningKeys } from "./signing-key.service.ts";
import { deadKeys, keyInUse, keyToMake, type ScheduledKey } from "./signing-key.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const HOUR = 3600_000;
const key = (generation: number, hours: number): ScheduledKey => ({
  generation,
  useFrom: new Date(hours * HOUR),
  resetAt: null,
});
const at = (hours: number) => new Date(hours * HOUR);

test("the schedule: made an hour ahead, used for a day, removed when its last token is dead", () => {
  expect(keyToMake([], at(5))).toEqual(key(0, 5));
  expect(keyToMake([key(0, 0)], at(22.9))).toBe(null);
  expect(keyToMake([key(0, 0)], at(23))).toEqual(key(1, 24));
  expect(keyToMake([key(0, 0), key(1, 24)], at(23.5))).toBe(null);
  // Nothing ran for days: it is still published before it is used.
  expect(keyToMake([key(0, 0)], at(100))).toEqual(key(1, 101));
  const two = [key(0, 0), key(1, 24)];
  expect(keyInUse(two, at(23.99))?.generation).toBe(0);
  expect(keyInUse(two, at(24))?.generation).toBe(1);
  expect(keyInUse([key(0, 9)], at(1))?.generation).toBe(0); // a clock behind that of the maker
  expect(keyInUse([], at(1))).toBe(null);
  expect(deadKeys(two, at(24.2))).toEqual([]);
  expect(deadKeys(two, at(24.25)).map((dead) => dead.generation)).toEqual([0]);
  expect(deadKeys([key(0, 0)], at(1000))).toEqual([]);
});

const kids = async () => {
  const { keys } = await publicJwks(h.ctx.pool, h.ctx.now());
  return (keys as { kid: string }[]).map(({ kid }) => kid);
};
const signIn = async () => (await h.client(await h.person("patient"))).tokens;
const kidOf = (tokens: Answer) => decodeProtectedHeader(tokens.accessToken).kid ?? "";
const isGood = async (tokens: Answer): Promise<boolean> => {
  const jwks = createLocalJWKSet((await publicJwks(h.ctx.pool, h.ctx.now())) as JSONWebKeySet);
  return jwtVerify(tokens.accessToken, jwks, { currentDate: new Date(0) }).then(
    () => true,
    () => false,
  );
};

test("a day of keys: published before use, loaded without a restart, kept until the last token, then gone", async () => {
  const before = await signIn();
  const [old = ""] = await kids();
  expect([await kids(), kidOf(before)]).toEqual([[old], old]);
  h.advance(23 * HOUR);
  await h.events();
  await rotateDaily(h.ctx);
  const published = await kids();
  expect(published).toHaveLength(2);
  expect(kidOf(await signIn())).toBe(old); // known to all, and used by nobody yet
  const next = published.find((kid) => kid !== old) ?? "";
  h.advance(HOUR);
  expect(kidOf(await signIn())).toBe(next); // by the clock alone
  expect(await kids()).toContain(old);
  expect(await isGood(before)).toBe(true);
  h.advance(15 * 60_000);
  expect(await kids()).toEqual([next]); // not shown any more, even before it is removed
  await rotateDaily(h.ctx);
  expect(await isGood(before)).toBe(false);
  const { rows } = await h.ctx.pool.query("select name from keys where kind = 'signing'");
  expect(rows).toEqual([{ name: "access-tokens/1" }]);
  const types = (await h.events()).map((event) => event.type).filter((type) => type.includes("signing"));
  expect(types).toEqual(["medvault.auth.signing-key.published.v1", "medvault.auth.signing-key.removed.v1"]);
});

test("replicas that rotate at the same moment end with the same key, and one event", async () => {
  h.advance(24 * HOUR);
  await h.events();
  await Promise.all(Array.from({ length: 8 }, () => rotateSigningKeys(h.ctx.pool, h.keyring, h.ctx.now())));
  expect(await kids()).toHaveLength(2);
  const signers = await Promise.all(
    [1, 2, 3].map(() => createAccessTokenSigner(h.ctx.pool, h.keyring, "medvault")),
  );
  const claims = { sub: "s", sid: "s", role: "r", scope: "", amr: [], acr: "", auth_time: 0, pv: 1 };
  const later = new Date(h.ctx.now().getTime() + 2 * HOUR);
  const used = signers.map((signer) => decodeProtectedHeader(signer.sign(claims, 300, later)).kid);
  expect(new Set(used).size).toBe(1);
  expect((await h.events()).filter((event) => event.type.endsWith("published.v1"))).toHaveLength(1);
  await h.ctx.signer.reload();
});

test("with a daily reset every session of before the new key ends, once; without one none does", async () => {
  h.advance(2 * HOUR); // past the rotation of the test before
  await rotateDaily(h.ctx);
  h.advance(22 * HOUR);
  await rotateDaily(h.ctx);
  const [one, two] = [await signIn(), await signIn()];
  h.advance(HOUR);
  await rotateDaily(h.ctx);
  expect(await h.redis.client.exists(`session:${one.sessionId}`, `session:${two.sessionId}`)).toBe(2);
  const after = await signIn();
  h.ctx.settings.dailyReset = true;
  try {
    await h.events();
    await Promise.all([rotateDaily(h.ctx), rotateDaily(h.ctx)]);
  } finally {
    h.ctx.settings.dailyReset = false;
  }
  expect(await h.redis.client.exists(`session:${one.sessionId}`, `session:${two.sessionId}`)).toBe(0);
  expect(await h.redis.client.exists(`session:${after.sessionId}`)).toBe(1);
  const refreshed = await h.guest().post("/v1/auth/refresh", { refreshToken: one.refreshToken });
  expect(refreshed.status).toBe(401);
  const reasons = (await h.events()).filter((event) => event.type === "medvault.auth.session.ended.v1");
  expect(new Set(reasons.map((event) => event.data.decision.reason))).toEqual(new Set(["daily_reset"]));
  expect(new Set(reasons.map((event) => event.subject)).size).toBe(reasons.length);
});
