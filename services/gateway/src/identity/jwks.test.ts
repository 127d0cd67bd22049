import { newId } from "@medvault/contracts";
import { expect, test } from "vitest";
import { FakeAuth } from "../../test/fake-services.ts";
import { AccessTokens } from "./access-token.ts";
import { createKeySet } from "./jwks.client.ts";

const SID = "018f0000-0000-7000-8000-000000000000";

async function newKey() {
  const auth = new FakeAuth();
  await auth.init();
  const token = () => auth.token({ sub: SID, sid: SID, role: "doctor", scope: "", jti: newId() });
  return { published: auth.publicJwk, token };
}

/** A gateway's memory of keys with a clock of ours, and what auth publishes. */
async function givenKeys() {
  const clock = { now: 1_000_000, fetches: 0 };
  const [old, next] = [await newKey(), await newKey()];
  const published = [old.published];
  const keys = createKeySet(
    async () => {
      clock.fetches += 1;
      return { keys: [...published] };
    },
    () => clock.now,
  );
  const tokens = new AccessTokens(keys, "medvault");
  const isGood = async (key: typeof old) =>
    tokens.verify(await key.token()).then(
      () => true,
      (error: { code?: string }) => (error.code === "unauthenticated" ? false : error),
    );
  return { clock, old, next, published, isGood };
}

test("a key that was published is taken at its first token, and asked for once", async () => {
  const { clock, old, next, published, isGood } = await givenKeys();
  expect(await isGood(old)).toBe(true);
  published.push(next.published);
  clock.now += 30_001;
  expect(await Promise.all([isGood(next), isGood(next), isGood(next)])).toEqual([true, true, true]);
  expect(clock.fetches).toBe(2);
});

test("unknown kids make it ask at most once in 30 s, however many come", async () => {
  const { clock, old, next, isGood } = await givenKeys();
  expect(await isGood(old)).toBe(true);
  for (let i = 0; i < 20; i++) {
    clock.now += 5_000;
    expect(await isGood(next)).toBe(false);
  }
  expect(clock.fetches).toBe(1 + 2); // in 100 s, at every 35th
});

test("a token of a retired key is refused once the key is gone, and a fresh one of it as well", async () => {
  const { clock, old, next, published, isGood } = await givenKeys();
  expect(await isGood(old)).toBe(true);
  published.splice(0, 1, next.published);
  clock.now += 600_001; // the key set's longest life
  expect(await isGood(old)).toBe(false);
  expect(await isGood(next)).toBe(true);
});
