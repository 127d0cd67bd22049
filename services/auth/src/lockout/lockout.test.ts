import { connectRedis } from "@medvault/runtime";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";
import { deviceTokenFor, newDeviceId } from "./bucket.ts";
import { createBucketCounter } from "./bucket-counter.store.ts";
import { LOCKOUT } from "./lockout.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterEach(() => {
  h.ctx.settings.lockout = LOCKOUT;
  h.ctx.buckets = createBucketCounter(h.connection);
});
afterAll(() => h.close());

interface From {
  ip?: string;
  device?: string | undefined;
}
const login = (identifier: string, password: string, { ip = "192.0.2.1", device }: From = {}) =>
  h
    .guest({ ip })
    .post<Answer>(
      "/v1/auth/login",
      { identifier, password },
      device ? { headers: { "x-device-token": device } } : {},
    );
async function wrong(identifier: string, times: number, from: From = {}): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) statuses.push((await login(identifier, `Wrong-${i}`, from)).status);
  return statuses;
}
async function lock(identifier: string, from: From = {}): Promise<void> {
  expect(await wrong(identifier, 6, from)).toEqual([401, 401, 401, 401, 401, 429]);
}

test("a whole sign-in gives its device a token, and a device that shows it gets no other", async () => {
  const { account } = await h.person("patient");
  const first = await login(account.username, PASSWORD);
  const device = String(first.body.deviceToken);
  expect(device).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect((await login(account.username, PASSWORD, { device })).body).not.toHaveProperty("deviceToken");
  expect(JSON.stringify(await h.events())).not.toContain(device);
});

test("a second factor comes before the token of the device", async () => {
  const person = await h.person("doctor");
  const half = await login(person.account.username, PASSWORD);
  expect(half.body).not.toHaveProperty("deviceToken");
  expect((await h.signIn(person)).body.deviceToken).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

test("strangers who lock the account at the owner's own address do not lock out the owner's device", async () => {
  const { account } = await h.person("patient");
  const device = String((await login(account.username, PASSWORD)).body.deviceToken);
  await lock(account.username, { ip: "192.0.2.1" });
  await lock(account.username, { ip: "198.51.100.1" });
  expect((await login(account.username, PASSWORD)).status).toBe(429);
  expect((await login(account.username, PASSWORD, { device, ip: "203.0.113.77" })).status).toBe(200);
  await lock(account.username, { device }); // the device's bucket locks too
  expect((await login(account.username, PASSWORD, { device })).status).toBe(429);
});

test("a forged token, another account's, a torn and a revoked one give no bucket of their own", async () => {
  const [{ account }, other] = [await h.person("patient"), await h.person("patient")];
  const known = String((await login(account.username, PASSWORD)).body.deviceToken);
  const others = String((await login(other.account.username, PASSWORD)).body.deviceToken);
  await lock(account.username);
  const bytes = Buffer.from(known, "base64url");
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  const neverGiven = deviceTokenFor(h.ctx.blindKey, account.id, newDeviceId());
  for (const device of [
    bytes.toString("base64url"),
    others,
    known.slice(0, 42),
    "A".repeat(43),
    neverGiven,
  ]) {
    expect((await login(account.username, PASSWORD, { device })).status).toBe(429);
  }
  await h.ctx.pool.query("delete from known_devices where user_id = $1", [account.id]);
  expect((await login(account.username, PASSWORD, { device: known })).status).toBe(429);
});

test("a new password revokes the other devices, a reset one all of them", async () => {
  const person = await h.person("patient");
  const { account } = person;
  const devices = [
    String((await login(account.username, PASSWORD)).body.deviceToken),
    String((await login(account.username, PASSWORD)).body.deviceToken),
  ];
  const count = async () =>
    (await h.ctx.pool.query("select from known_devices where user_id = $1", [account.id])).rowCount;
  const { api } = await h.client(person);
  const changed = await api.post(
    "/v1/auth/password/change",
    { currentPassword: PASSWORD, newPassword: "Zq8!another-one-yet" },
    { headers: { "x-device-token": devices[0] ?? "" } },
  );
  expect(changed.status).toBe(204);
  expect(await count()).toBe(1);
  await h.guest().post("/v1/auth/password/forgot", { email: account.email });
  const token = await h.mailedToken(account.email);
  await h.guest().post("/v1/auth/password/reset", { token, newPassword: "Zq8!and-another-one" });
  expect(await count()).toBe(0);
});

test("a client that never shows its token does not fill the table", async () => {
  const { account } = await h.person("patient");
  for (let i = 0; i < 22; i++) await login(account.username, PASSWORD);
  const { rowCount } = await h.ctx.pool.query("select from known_devices where user_id = $1", [account.id]);
  expect(rowCount).toBe(20);
});

test("a device that is new in a new place leaves an event; the first one and one at a known place do not", async () => {
  const { account } = await h.person("patient");
  const news = async (from: From) => {
    await login(account.username, PASSWORD, from);
    return (await h.events()).filter((event) => event.type === "medvault.auth.device.new.v1").length;
  };
  await h.events();
  expect(await news({ ip: "192.0.2.9" })).toBe(0);
  expect(await news({ ip: "192.0.2.9" })).toBe(0);
  expect(await news({ ip: "192.0.2.10" })).toBe(1);
});

test("a Redis that forgot everything unlocks nobody and gives no guess away", async () => {
  const { account } = await h.person("patient");
  await lock(account.username);
  await h.redis.flush();
  expect((await login(account.username, PASSWORD)).status).toBe(429);
  const other = await h.person("patient");
  expect(await wrong(other.account.username, 4)).toEqual([401, 401, 401, 401]);
  await h.redis.flush();
  expect(await wrong(other.account.username, 2)).toEqual([401, 429]);
});

test("of 100 wrong guesses at once, while Redis forgets again and again, at most five are evaluated", async () => {
  const { account } = await h.person("patient");
  let done = false;
  const flushing = (async () => {
    while (!done) await h.redis.flush();
  })();
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => login(account.username, `Wrong-${i}`, { ip: `198.51.100.${i}` })),
  );
  done = true;
  await flushing;
  const evaluated = answers.filter(({ status }) => status === 401).length;
  expect(evaluated).toBeGreaterThan(0);
  expect(evaluated).toBeLessThanOrEqual(5);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(100 - evaluated);
});

test("without Redis nothing is evaluated: 503 for the right password as for a wrong one", async () => {
  const { account } = await h.person("patient");
  const away = connectRedis("redis://127.0.0.1:1/0");
  h.ctx.buckets = createBucketCounter(away);
  const before = await attemptsOf();
  for (const password of [PASSWORD, "Wrong-1"]) {
    expect(await login(account.username, password)).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    });
  }
  expect(await attemptsOf()).toBe(before);
  away.disconnect();
});

async function attemptsOf(): Promise<number | null> {
  return (await h.ctx.pool.query("select from login_lanes")).rowCount;
}

test("a success clears the count of its account alone", async () => {
  const [a, b] = [await h.person("patient"), await h.person("patient")];
  await wrong(a.account.username, 4);
  await wrong(b.account.username, 4);
  expect((await login(a.account.username, PASSWORD)).status).toBe(200);
  expect(await wrong(b.account.username, 2)).toEqual([401, 429]);
  expect(await wrong(a.account.username, 2)).toEqual([401, 401]);
});

test("counted per account, a known address shares the account's bucket, and a known device still does not", async () => {
  h.ctx.settings.lockout = { ...LOCKOUT, by: "account" };
  const { account } = await h.person("patient");
  const device = String((await login(account.username, PASSWORD, { ip: "192.0.2.1" })).body.deviceToken);
  await lock(account.username, { ip: "198.51.100.1" });
  expect((await login(account.username, PASSWORD, { ip: "192.0.2.1" })).status).toBe(429);
  expect((await login(account.username, PASSWORD, { device })).status).toBe(200);
});

test("counted per address, strangers lock themselves alone, and an IPv6 /64 is one stranger", async () => {
  h.ctx.settings.lockout = { ...LOCKOUT, by: "address" };
  const { account } = await h.person("patient");
  for (let i = 0; i < 5; i++) await login(account.username, "Wrong", { ip: `2001:db8:1:2::${i}` });
  expect((await login(account.username, PASSWORD, { ip: "2001:db8:1:2::77" })).status).toBe(429);
  expect((await login(account.username, PASSWORD, { ip: "2001:db8:1:3::1" })).status).toBe(200);
});

test("locks grow where the setting says so, up to a day, and a success begins the count again", async () => {
  h.ctx.settings.lockout = { ...LOCKOUT, max: 1, lockMs: 1_000, growth: 4 };
  const { account } = await h.person("patient");
  const seconds: number[] = [];
  for (let i = 0; i < 10; i++) {
    await login(account.username, "Wrong");
    const refused = await login(account.username, PASSWORD);
    expect(refused.status).toBe(429);
    seconds.push(Number(refused.headers.get("retry-after")));
    h.advance((seconds[i] ?? 0) * 1000);
  }
  expect(seconds).toEqual([1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 86_400]);
  expect((await login(account.username, PASSWORD)).status).toBe(200);
  await login(account.username, "Wrong");
  expect((await login(account.username, PASSWORD)).headers.get("retry-after")).toBe("1");
});

test("an admin lifts a lock in Redis and Postgres alike", async () => {
  const { account } = await h.person("patient");
  await lock(account.username);
  const admin = await h.client(await h.person("admin"));
  expect((await admin.api.post(`/v1/users/${account.id}/unlock`)).status).toBe(204);
  expect((await login(account.username, PASSWORD)).status).toBe(200);
});

test("unknown names lock alike, in whatever case they are typed", async () => {
  await lock("Nobody-Here");
  expect((await login("nobody-here", "x")).status).toBe(429);
});

test("right passwords at once all sign in: only failures lock", async () => {
  const { account } = await h.person("patient");
  const statuses = await Promise.all(
    Array.from({ length: 12 }, async () => (await login(account.username, PASSWORD)).status),
  );
  expect(statuses).toEqual(Array(12).fill(200));
  expect(await wrong(account.username, 5)).toEqual([401, 401, 401, 401, 401]);
});

test("of a hundred wrong passwords at once five are looked at, and right ones among them open nothing more", async () => {
  const { account } = await h.person("patient");
  let evaluated = 0;
  const { hasher } = h.ctx;
  h.ctx.hasher = {
    ...hasher,
    verify(hash, password) {
      evaluated += 1;
      return hasher.verify(hash, password);
    },
  };
  try {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => login(account.username, `Wrong-${i}`)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ body }) => body.code === "login_locked").length).toBe(95);
    expect(evaluated).toBe(5);
  } finally {
    h.ctx.hasher = hasher;
  }
});

test("eight right sign-ins at once are eight sign-ins, by name and by address, while a wrong guess is under way", async () => {
  const { account } = await h.person("patient");
  await login(account.username, PASSWORD); // the address is known: one bucket for all of them
  const { hasher } = h.ctx;
  const held = Promise.withResolvers<void>();
  h.ctx.hasher = {
    ...hasher,
    async verify(hash, password) {
      if (password === "Wrong-held") await held.promise;
      return hasher.verify(hash, password);
    },
  };
  try {
    const wrongOne = login(account.username, "Wrong-held");
    const names = [account.username, account.email];
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => (await login(names[i % 2] ?? "", PASSWORD)).status),
    );
    expect(statuses).toEqual(Array(8).fill(200));
    held.resolve();
    expect((await wrongOne).status).toBe(401);
    // It failed after the successes had cleared the count: it is the first of five.
    expect(await wrong(account.username, 5)).toEqual([401, 401, 401, 401, 429]);
  } finally {
    h.ctx.hasher = hasher;
  }
});
