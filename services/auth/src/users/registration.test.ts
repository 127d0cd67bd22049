import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";
import { LOCKOUT } from "../lockout/lockout.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterEach(() => {
  h.ctx.settings.confirmRegistration = false;
  h.ctx.settings.lockout = LOCKOUT;
});
afterAll(() => h.close());

const OWNER_PASSWORD = "Bq3#owner-of-it-Wz";
let addresses = 0;
/** A client that no earlier test has locked out. */
const stranger = () => h.guest({ ip: `203.0.113.${++addresses}` });
const register = (body: object, from = stranger()) => from.post<Answer>("/v1/auth/register", body);
const login = (identifier: string, password = PASSWORD, from = stranger()) =>
  from.post<Answer>("/v1/auth/login", { identifier, password });
const mailsTo = (address: string) =>
  h.mails.filter((mail) => mail.to === address).map((mail) => mail.subject);

/** What anyone sees who registers with an address and then tries what they can. */
async function seenBy(username: string, email: string) {
  const shape = (answer: { status: number; body: Answer }) => [
    answer.status,
    answer.body?.code ?? Object.keys(answer.body ?? {}).sort(),
  ];
  const made = await register({ username, email, password: PASSWORD });
  const again = await register({ username, email: `other-${email}`, password: PASSWORD });
  const twice = await register({ username, email, password: PASSWORD });
  const byName = await login(username);
  const byAddress = await login(email);
  const api = await h.withToken(byAddress.body.accessToken);
  const me = await api.get<Answer>("/v1/auth/me");
  const forgot = await stranger().post<Answer>("/v1/auth/password/forgot", { email });
  const wrong = await login(email, "Wrong-1");
  return {
    shapes: [made, again, twice, byName, byAddress, forgot, wrong].map(shape),
    me: { email: me.body.email === email, keys: Object.keys(me.body).sort() },
    sameAccount: me.body.id === made.body.id,
  };
}

test("registering, signing in and everything after it look alike whether the address was free or taken", async () => {
  const owner = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(OWNER_PASSWORD) });
  const free = await seenBy("free-one", "free-one@home.example");
  const taken = await seenBy("taken-one", owner.account.email);
  expect(taken).toEqual(free);
  expect(free.shapes.map(([status]) => status)).toEqual([201, 409, 409, 200, 200, 202, 401]);
});

test("who registers a taken address gets nothing of its owner's: no sign-in, no reset, no mail", async () => {
  const owner = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(OWNER_PASSWORD) });
  const { email } = owner.account;
  const made = await register({ username: "claims-it", email, password: PASSWORD });
  const asOwner = await login(email, OWNER_PASSWORD);
  expect((await (await h.withToken(asOwner.body.accessToken)).get<Answer>("/v1/auth/me")).body.id).toBe(
    owner.account.id,
  );
  await stranger().post("/v1/auth/password/forgot", { email });
  const token = await h.mailedToken(email);
  const NEW = "Yk5!newly-chosen-Pd";
  expect((await stranger().post("/v1/auth/password/reset", { token, newPassword: NEW })).status).toBe(204);
  expect((await login("claims-it")).body).toHaveProperty("accessToken"); // the owner's was reset, not the claimant's
  expect((await login(owner.account.username, NEW)).status).toBe(200);
  await expect
    .poll(() => mailsTo(email))
    .toEqual(expect.arrayContaining(["You have a MedVault account", "A new MedVault password"]));
  const { rows } = await h.ctx.pool.query("select email_token from users where id = $1", [made.body.id]);
  expect(rows).toEqual([{ email_token: null }]);
});

test("the lockouts of an address's owner and its claimant do not tell them apart", async () => {
  const owner = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(OWNER_PASSWORD) });
  await register({ username: "locks-it", email: owner.account.email, password: PASSWORD });
  for (let i = 0; i < 5; i++) expect((await login(owner.account.email, `Wrong-${i}`)).status).toBe(401);
  expect((await login("locks-it")).status).toBe(429); // as it would be if it were its own address
});

test("an owner on a known device signs in by address whatever a claimant has locked", async () => {
  const { account } = await h.person("patient");
  const device = String((await login(account.email)).body.deviceToken);
  await register({ username: "in-the-way", email: account.email, password: OWNER_PASSWORD });
  for (let i = 0; i < 5; i++) await login("in-the-way", `Wrong-${i}`);
  const known = await stranger().post<Answer>(
    "/v1/auth/login",
    { identifier: account.email, password: PASSWORD },
    { headers: { "x-device-token": device } },
  );
  expect(known.status).toBe(200);
});

test("a claimant who locks themselves does not shut the owner out of an address they signed in from", async () => {
  const owner = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(OWNER_PASSWORD) });
  const { email, username } = owner.account;
  const home = stranger();
  expect((await login(username, OWNER_PASSWORD, home)).status).toBe(200);
  await register({ username: "shuts-out", email, password: PASSWORD });
  for (let i = 0; i < 5; i++) await login("shuts-out", `Wrong-${i}`);
  const own = await login(email, OWNER_PASSWORD, home);
  expect(own.status).toBe(200);
  const me = await (await h.withToken(own.body.accessToken)).get<Answer>("/v1/auth/me");
  expect(me.body.id).toBe(owner.account.id);

  // Elsewhere, and without the password, it is locked as if the address were the claimant's own.
  const verify = vi.spyOn(h.ctx.hasher, "verify");
  for (const password of [OWNER_PASSWORD, PASSWORD, "Wrong-1"]) {
    expect((await login(email, password)).body.code).toBe("login_locked");
  }
  expect(verify).not.toHaveBeenCalled();
  await h.events();
  const answers: [number, unknown, string | null][] = [];
  for (let i = 0; i < 7; i++) {
    const { status, body, headers } = await login(email, i === 0 ? PASSWORD : `Wrong-${i}`, home);
    answers.push([status, body.code, headers.get("retry-after")]);
  }
  expect(new Set(answers.map(String))).toEqual(new Set(["429,login_locked,3600"]));
  // Guesses at the owner count where they are made: after five the owner's own bucket is locked.
  expect(verify).toHaveBeenCalledTimes(5);
  verify.mockRestore();
  const failed = (await h.events()).filter((event) => event.type === "medvault.auth.login.failed.v1");
  expect(failed.map((event) => event.subject)).toEqual(Array(5).fill(`user/${owner.account.id}`));
  expect((await login(email, OWNER_PASSWORD, home)).status).toBe(429);
  expect((await login(username, OWNER_PASSWORD)).status).toBe(200); // strangers' bucket is another
});

test("where registrations are confirmed, nobody signs in before the mailed link was used, and then they do", async () => {
  h.ctx.settings.confirmRegistration = true;
  const email = "confirm-me@home.example";
  expect((await register({ username: "confirm-me", email, password: PASSWORD })).status).toBe(201);
  for (const name of ["confirm-me", email]) {
    expect((await login(name)).body.code).toBe("invalid_credentials");
  }
  const token = await h.mailedToken(email);
  expect((await stranger().post("/v1/auth/email/verify", { token })).status).toBe(204);
  expect((await stranger().post<Answer>("/v1/auth/email/verify", { token })).body.code).toBe("token_invalid");
  for (const name of ["confirm-me", email]) expect((await login(name)).status).toBe(200);
});

test("five names that are taken lock the name for the address, twenty lock the address, and others go on", async () => {
  const { account } = await h.person("patient");
  const from = stranger();
  const taken = { username: account.username, email: "x@home.example", password: PASSWORD };
  for (let i = 0; i < 5; i++) expect((await register(taken, from)).status).toBe(409);
  const locked = await register(taken, from);
  expect(locked).toMatchObject({ status: 429, body: { code: "login_locked" } });
  expect(Number(locked.headers.get("retry-after"))).toBeGreaterThan(3_500);
  expect((await h.events()).at(-1)).toMatchObject({
    type: "medvault.auth.registration.denied.v1",
    data: { outcome: "denied", decision: { reason: "login_locked" } },
  });
  const names = await Promise.all(Array.from({ length: 20 }, () => h.person("patient")));
  for (const person of names) await register({ ...taken, username: person.account.username }, from);
  const newOne = { username: "not-taken-at-all", email: "n@home.example", password: PASSWORD };
  expect((await register(newOne, from)).status).toBe(429);
  expect((await register(newOne)).status).toBe(201);
});

test("mailed tokens that were never given out lock the address; used ones do not count", async () => {
  const { account } = await h.person("patient");
  await stranger().post("/v1/auth/password/forgot", { email: account.email });
  const token = await h.mailedToken(account.email);
  const from = stranger();
  const reset = (value: string) =>
    from.post<Answer>("/v1/auth/password/reset", { token: value, newPassword: "Yk5!newly-chosen-Pd" });
  expect((await reset(token)).status).toBe(204);
  for (let i = 0; i < 7; i++) expect((await reset(token)).status).toBe(400);
  for (let i = 0; i < 5; i++) expect((await reset("A".repeat(42) + i)).status).toBe(400);
  expect((await reset("B".repeat(43))).body.code).toBe("login_locked");
});
