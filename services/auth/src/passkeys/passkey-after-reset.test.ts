import { inTransaction } from "@medvault/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { type Creation, type Request, SoftAuthenticator } from "../../test/soft-authenticator.ts";
import { lockAccount } from "../accounts/account.store.ts";
import { suspendPasskeys } from "./passkey.store.ts";

// Somebody who had the account for a while added a passkey; its owner resets the password and
// believes them gone.
let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const NEW = "Qz9!new-and-different";
const options = async (body: object = {}) =>
  (await h.guest().post<Request>("/v1/auth/passkeys/login/options", body)).body;
const alone = async (authenticator: SoftAuthenticator) =>
  h.guest().post<Answer>("/v1/auth/passkeys/login/verify", authenticator.get(await options()));
async function reset({ account }: Person) {
  await h.guest().post("/v1/auth/password/forgot", { email: account.email });
  const token = await h.mailedToken(account.email);
  return h.guest().post("/v1/auth/password/reset", { token, newPassword: NEW });
}
const half = async ({ account }: Person, password = NEW) =>
  (await h.guest().post<Answer>("/v1/auth/login", { identifier: account.username, password })).body;
const second = async (mfaToken: string, authenticator: SoftAuthenticator) =>
  h.guest().post<Answer>("/v1/auth/mfa/challenge", {
    mfaToken,
    passkey: authenticator.get(await options({ mfaToken })),
  });
async function addPasskey(person: Person) {
  const { api } = await h.client(person);
  const authenticator = new SoftAuthenticator("https://medvault.example");
  const creation = (await api.post<Creation>("/v1/auth/passkeys/register/options")).body;
  const made = await api.post<Answer>("/v1/auth/passkeys/register/verify", authenticator.create(creation));
  expect(made.status).toBe(201);
  h.advance(30_000); // the next TOTP step
  return authenticator;
}

test("a passkey of before a reset does not sign in alone, nor step up, until it was used with the new password", async () => {
  const person = await h.person("doctor");
  const [own, planted] = [await addPasskey(person), await addPasskey(person)];
  expect((await alone(planted)).status).toBe(200);
  const oldHalf = await half(person, PASSWORD);
  expect((await reset(person)).status).toBe(204);
  await h.events();
  const refused = await alone(planted);
  expect([refused.status, refused.body.code]).toEqual([401, "passkey_suspended"]);
  expect((await h.events())[0]).toMatchObject({
    type: "medvault.auth.passkey.denied.v1",
    data: { outcome: "denied", decision: { reason: "suspended" } },
  });
  expect((await second(oldHalf.mfaToken, planted)).status).toBe(401); // a sign-in that began with the old password

  const { mfaToken, methods } = await half(person);
  expect(methods).toEqual(["totp", "passkey", "recovery_code"]);
  const signedIn = await second(mfaToken, own);
  expect(signedIn.status).toBe(200);
  expect((await alone(own)).status).toBe(200);
  expect((await alone(planted)).body.code).toBe("passkey_suspended");
  const api = await h.withToken(signedIn.body.accessToken);
  const { items } = (await api.get<{ items: { suspended: boolean }[] }>("/v1/auth/passkeys")).body;
  expect(items.map(({ suspended }) => suspended)).toEqual([false, true]);
  const asked = (await api.post<Request>("/v1/auth/passkeys/step-up/options")).body;
  const stepUp = await api.post<Answer>("/v1/auth/step-up", { passkey: planted.get(asked) });
  expect([stepUp.status, stepUp.body.code]).toEqual([401, "passkey_suspended"]);
  expect((await h.events()).map(({ type }) => type)).toContain("medvault.auth.passkey.confirmed.v1");
});

test("a suspended passkey that is refused locks nobody out, and the mails say what became of it", async () => {
  const person = await h.person("patient");
  const authenticator = await addPasskey(person);
  await reset(person);
  for (let i = 0; i < 6; i++) expect((await alone(authenticator)).body.code).toBe("passkey_suspended");
  const { mfaToken } = await half(person);
  expect((await second(mfaToken, authenticator)).status).toBe(200);
  const mails = () => h.mails.filter((mail) => mail.to === person.account.email).map(({ text }) => text);
  await expect.poll(() => mails().join()).toMatch(/that stay \(passkeys: 1; recovery codes: 10\)/);
  expect(mails().find((text) => text.includes("was changed at"))).toContain(
    "A passkey signs in alone again once",
  );
  await expect.poll(() => mails().join()).toContain("A passkey of your account signs in alone again");
});

test("a passkey that was found before a reset and used after it opens nothing", async () => {
  const person = await h.person("patient");
  const authenticator = await addPasskey(person);
  const assertion = authenticator.get(await options());
  let late: Promise<{ status: number }> | undefined;
  await inTransaction(h.ctx.pool, async (tx) => {
    await lockAccount(tx, h.ctx, person.account.id);
    late = h.guest().post("/v1/auth/passkeys/login/verify", assertion);
    const waiting =
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    await expect.poll(async () => (await h.ctx.pool.query(waiting)).rowCount).toBe(1);
    await suspendPasskeys(tx, h.keyring, person.account.id);
  });
  expect((await late)?.status).toBe(401);
});

test("a password that its owner changes leaves passkeys as they are, and says so", async () => {
  const person = await h.person("patient");
  const authenticator = await addPasskey(person);
  const api = await h.withToken((await alone(authenticator)).body.accessToken);
  const change = { currentPassword: PASSWORD, newPassword: NEW };
  expect((await api.post("/v1/auth/password/change", change)).status).toBe(204);
  expect((await alone(authenticator)).status).toBe(200);
  await expect
    .poll(() => h.mails.findLast((mail) => mail.to === person.account.email)?.text)
    .toMatch(/that stay \(passkeys: 1; recovery codes: 10\)/);
});
