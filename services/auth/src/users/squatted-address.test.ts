import { inTransaction } from "@medvault/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { type Creation, SoftAuthenticator } from "../../test/soft-authenticator.ts";
import { composeMail } from "../mail/mail-task.service.ts";

// A stranger registers with an address that is not theirs, sets up a second factor of their own,
// and waits for the owner to come.
let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const OWNERS = "Bq3#owner-of-it-Wz";
let count = 0;
const stranger = () => h.guest({ ip: `203.0.113.${++count}` });
const register = (username: string, email: string, password = PASSWORD) =>
  stranger().post<Answer>("/v1/auth/register", { username, email, password });
const login = (identifier: string, password = PASSWORD) =>
  stranger().post<Answer>("/v1/auth/login", { identifier, password });
const confirm = (token: string) => stranger().post<Answer>("/v1/auth/email/verify", { token });
const idle = () =>
  expect
    .poll(async () => (await h.ctx.pool.query("select from mails where parked_at is null")).rowCount)
    .toBe(0);
async function linkTo(email: string, page: string): Promise<string> {
  await idle();
  const found = h.mails
    .filter((mail) => mail.to === email)
    .map(({ text }) => new RegExp(`/${page}#token=([\\w-]{43})`).exec(text));
  return found.findLast((match) => match !== null)?.[1] ?? "none";
}
async function resetAt(email: string, options: { removeFactors?: boolean; newPassword?: string } = {}) {
  await stranger().post("/v1/auth/password/forgot", { email });
  const token = await linkTo(email, "reset-password");
  const input = { token, newPassword: OWNERS, ...options };
  return stranger().post<Answer>("/v1/auth/password/reset", input);
}
const meOf = async (answer: { body: Answer }) =>
  (await (await h.withToken(answer.body.accessToken)).get<Answer>("/v1/auth/me")).body;

/** A squatter's account with TOTP and a passkey. */
async function squat(email: string) {
  const username = `squatter-${++count}`;
  const { body } = await register(username, email);
  const signedIn = await login(username);
  const api = await h.withToken(signedIn.body.accessToken);
  const setup = (await api.post<{ secret: string; recoveryCodes: string[] }>("/v1/auth/mfa/setup")).body;
  const squatter = { account: { username, email }, password: PASSWORD, totpSecret: setup.secret } as Person;
  expect((await api.post("/v1/auth/mfa/verify", { code: h.code(squatter) })).status).toBe(200);
  const authenticator = new SoftAuthenticator("https://medvault.example");
  const options = (await api.post<Creation>("/v1/auth/passkeys/register/options")).body;
  const made = await api.post("/v1/auth/passkeys/register/verify", authenticator.create(options));
  expect(made.status).toBe(201);
  h.advance(60_000); // the next TOTP steps
  return {
    id: body.id,
    api,
    authenticator,
    squatter,
    username,
    sessionId: signedIn.body.sessionId,
    ...setup,
  };
}

test("an owner who resets the password of a squatted address is not locked out by the squatter's factors, and the squatter is", async () => {
  const email = "squatted-1@home.example";
  const { username, sessionId, authenticator, recoveryCodes, squatter } = await squat(email);
  expect((await login(username)).body).toMatchObject({ mfaRequired: true });
  const half = (await login(username)).body.mfaToken;
  await h.events();
  expect((await resetAt(email, { removeFactors: true })).status).toBe(204);
  const own = await login(email, OWNERS);
  expect(own.body).toHaveProperty("accessToken");
  expect(own.body).not.toHaveProperty("mfaRequired");
  const status = await (await h.withToken(own.body.accessToken)).get("/v1/auth/mfa/status");
  expect(status.body).toMatchObject({ enabled: false, methods: [], recoveryCodesLeft: 0 });
  await idle();
  const told = h.mails.findLast((mail) => mail.to === email && mail.subject.includes("password was changed"));
  expect(told?.text).toContain("are removed");

  expect(await h.redis.client.exists(`session:${sessionId}`)).toBe(0);
  expect((await login(username)).status).toBe(401);
  for (const code of [h.code(squatter), recoveryCodes[0]]) {
    const late = await stranger().post<Answer>("/v1/auth/mfa/challenge", { mfaToken: half, code });
    expect(late.status).toBe(401);
  }
  const asked = await stranger().post<never>("/v1/auth/passkeys/login/options", {});
  const byPasskey = await stranger().post("/v1/auth/passkeys/login/verify", authenticator.get(asked.body));
  expect(byPasskey.status).toBe(401);
  expect((await h.events()).map((event) => event.type)).toContain("medvault.auth.mfa.disabled.v1");
});

test("a reset alone keeps the second factor, also of an address that nobody confirmed", async () => {
  const email = "squatted-0@home.example";
  const { username } = await squat(email);
  expect((await resetAt(email)).status).toBe(204);
  expect((await login(username, OWNERS)).body).toMatchObject({ mfaRequired: true });
  // Only now the owner sees that there is one: a second reset removes it.
  expect((await resetAt(email, { removeFactors: true, newPassword: "Yk5!newly-chosen-Pd" })).status).toBe(
    204,
  );
  expect((await login(username, "Yk5!newly-chosen-Pd")).body).toHaveProperty("accessToken");
});

test("once somebody has shown that the address is theirs, a reset keeps their factors", async () => {
  const email = "mine@home.example";
  await register("mine-indeed", email);
  const { api } = await h.client({ account: { username: "mine-indeed" }, password: PASSWORD } as Person);
  expect((await api.get("/v1/auth/me")).body).toMatchObject({ emailConfirmed: false });
  await api.patch("/v1/auth/me", { email });
  expect((await confirm(await linkTo(email, "confirm-address"))).status).toBe(204);
  expect((await api.get("/v1/auth/me")).body).toMatchObject({ emailConfirmed: true });
  const { secret } = (await api.post<{ secret: string }>("/v1/auth/mfa/setup")).body;
  const person = { account: { username: "mine-indeed", email }, totpSecret: secret } as Person;
  expect((await api.post("/v1/auth/mfa/verify", { code: h.code(person) })).status).toBe(200);
  expect(await resetAt(email, { removeFactors: true })).toMatchObject({
    status: 403,
    body: { detail: expect.stringContaining("ask an administrator") },
  });
  const token = await linkTo(email, "reset-password"); // still good
  const reset = await stranger().post("/v1/auth/password/reset", { token, newPassword: OWNERS });
  expect(reset.status).toBe(204);
  expect((await login(email, OWNERS)).body).toMatchObject({
    mfaRequired: true,
    methods: ["totp", "recovery_code"],
  });
  await idle();
  const told = h.mails.findLast((mail) => mail.to === email && mail.subject.includes("password was changed"));
  expect(told?.text).toMatch(/that stay \(an authenticator app; recovery codes: 10\)/);
});

test("an owner who registers with a squatted address and uses the mailed link has it; the squatter claims it only", async () => {
  const email = "squatted-2@home.example";
  const { id, api, username } = await squat(email);
  const made = await register("true-owner", email, OWNERS);
  expect(made.status).toBe(201);
  await h.events();
  const token = await linkTo(email, "confirm-address");
  expect((await confirm(token)).status).toBe(204);
  expect((await h.events()).map((e) => [e.subject, e.data.decision.reason])).toEqual([
    [`user/${id}`, "address_lost"],
    [`user/${made.body.id}`, "address_confirmed"],
  ]);
  expect((await confirm(token)).body.code).toBe("token_invalid");
  expect((await meOf(await login(email, OWNERS))).id).toBe(made.body.id);
  expect((await resetAt(email, { newPassword: "Yk5!newly-chosen-Pd" })).status).toBe(204);
  expect((await meOf(await login(email, "Yk5!newly-chosen-Pd"))).id).toBe(made.body.id);

  // The squatter's account lives on, and gets nothing by the address any more.
  expect((await login(username)).body).toMatchObject({ mfaRequired: true });
  const before = h.mails.length;
  await api.patch("/v1/auth/me", { email });
  await idle();
  expect(h.mails.slice(before).map(({ subject }) => subject)).toEqual(["You have a MedVault account"]);
});

test("a squatter's link of before is void once the owner has shown the address", async () => {
  const email = "squatted-3@home.example";
  const { api } = await squat(email);
  await stranger().post("/v1/auth/password/forgot", { email });
  const reset = await linkTo(email, "reset-password");
  await api.patch("/v1/auth/me", { email });
  const take = await linkTo(email, "confirm-address");
  await register("true-owner-3", email, OWNERS);
  expect((await confirm(await linkTo(email, "confirm-address"))).status).toBe(204);
  expect((await confirm(take)).status).toBe(400);
  const late = await stranger().post("/v1/auth/password/reset", { token: reset, newPassword: OWNERS });
  expect(late.status).toBe(400);
});

test("an address that somebody has shown is theirs is not taken by registering with it, or by wanting it", async () => {
  const owner = await h.person("patient");
  const { email } = owner.account;
  await register("wants-it", email, OWNERS);
  const { api } = await h.client({ account: { username: "wants-it" }, password: OWNERS } as Person);
  await api.patch("/v1/auth/me", { email });
  await idle();
  const mails = h.mails.filter((mail) => mail.to === email);
  expect(mails.map(({ subject }) => subject)).toEqual(Array(2).fill("You have a MedVault account"));
  for (const { text } of mails) expect(text).not.toContain("#token=");
});

test("a link that shows one address never confirms another that its account wants since", async () => {
  const email = "bait@home.example";
  const victim = "victim-of-bait@home.example";
  await squat(email);
  await register("baits", email);
  const bait = await linkTo(email, "confirm-address");
  const { api } = await h.client({ account: { username: "baits" }, password: PASSWORD } as Person);
  await api.patch("/v1/auth/me", { email: victim });
  await idle();
  // A mail that waited until after that holds no link either.
  const claimantId = (await api.get<Answer>("/v1/auth/me")).body.id as string;
  const late = await inTransaction(h.ctx.pool, (tx) =>
    composeMail(h.ctx, tx, { name: "address_taken", email, claimantId }),
  );
  expect(late?.text).not.toContain("#token=");
  expect((await confirm(bait)).status).toBe(400);
  expect((await h.guest().post("/v1/auth/password/forgot", { email: victim })).status).toBe(202);
  expect(await linkTo(victim, "reset-password")).toBe("none");
});

test("of two who claim one address at once the first link wins, and the other's is void", async () => {
  const email = "squatted-4@home.example";
  await squat(email);
  const [a, b] = [await register("claims-a", email, OWNERS), await register("claims-b", email, OWNERS)];
  await idle();
  const links = h.mails
    .filter((mail) => mail.to === email)
    .flatMap(({ text }) => /confirm-address#token=([\w-]{43})/.exec(text)?.[1] ?? []);
  expect(links).toHaveLength(2);
  const answers = await Promise.all(links.map(confirm));
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 400]);
  const { rows } = await h.ctx.pool.query(
    "select count(*)::int as n from users where id = any($1) and email_token is not null",
    [[a.body.id, b.body.id]],
  );
  expect(rows).toEqual([{ n: 1 }]);
});

test("an invitation goes to a squatted address all the same, and its acceptance takes the address", async () => {
  const email = "squatted-dr@clinic.example";
  const { username } = await squat(email);
  const { api: admin } = await h.client(await h.person("admin"));
  expect((await admin.post("/v1/users", { username: "dr-squatted", email, role: "doctor" })).status).toBe(
    201,
  );
  const token = await linkTo(email, "invitation");
  const accepted = await stranger().post("/v1/auth/password/reset", { token, newPassword: OWNERS });
  expect(accepted.status).toBe(204);
  expect((await login(email, OWNERS)).body).toMatchObject({ mfaEnrollmentRequired: true });
  expect((await login(username)).body).toMatchObject({ mfaRequired: true });
});

test("a role that must have a second factor keeps it through a reset, shown or not", async () => {
  const email = "promoted@home.example";
  const { id, squatter } = await squat(email);
  const { api: admin } = await h.client(await h.person("admin"));
  expect((await admin.patch(`/v1/users/${id}`, { role: "doctor" })).status).toBe(200);
  expect((await resetAt(email)).status).toBe(204);
  expect((await login(squatter.account.username, OWNERS)).body).toMatchObject({ mfaRequired: true });
});
