import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { type Creation, SoftAuthenticator } from "../../test/soft-authenticator.ts";

// Anyone who takes a session could change how its account is found back into: its owner is notified
// where they can still read it.
let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const FACTORS = "How you sign in to MedVault was changed";
const ADDRESS = "The address of your MedVault account was changed";
const ASKED = "Another address was asked for your MedVault account";
const idle = () =>
  expect
    .poll(async () => (await h.ctx.pool.query("select from mails where parked_at is null")).rowCount)
    .toBe(0);
/** All mails to this address, once there is none in line. */
async function mailsTo(email: string) {
  await idle();
  return h.mails.filter((mail) => mail.to === email);
}
async function notifiedOf(person: Person): Promise<string[]> {
  const mails = await mailsTo(person.account.email);
  expect(mails.filter(({ subject }) => subject !== FACTORS)).toEqual([]);
  return mails.map(({ text }) => text.split(" at ")[0] ?? "");
}
const passkey = async (api: TestClient) => {
  const options = (await api.post<Creation>("/v1/auth/passkeys/register/options")).body;
  const made = new SoftAuthenticator("https://medvault.example").create(options);
  return api.post<Answer & { id: string; recoveryCodes?: string[] }>(
    "/v1/auth/passkeys/register/verify",
    made,
  );
};
const verifyEmail = (token: string) => h.guest().post<Answer>("/v1/auth/email/verify", { token });

test("an address is notified when another is asked for, and when it takes effect", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  await api.patch("/v1/auth/me", { email: "moved-on@home.example" });
  const token = await h.mailedToken("moved-on@home.example");
  expect((await verifyEmail("A".repeat(43))).status).toBe(400);
  const [asked, ...early] = await mailsTo(person.account.email);
  expect([asked?.subject, early]).toEqual([ASKED, []]);
  expect(asked?.text).not.toMatch(/moved-on|#token=/);
  expect((await verifyEmail(token)).status).toBe(204);
  const [, mail, ...more] = await mailsTo(person.account.email);
  expect([mail?.subject, more]).toEqual([ADDRESS, []]);
  expect(mail?.text).not.toContain("moved-on");
  expect(mail?.text).not.toContain(token);
  expect((await verifyEmail(token)).status).toBe(400);
  expect(await mailsTo(person.account.email)).toHaveLength(2);
  expect((await mailsTo("moved-on@home.example")).map(({ subject }) => subject)).toEqual([
    "Confirm your address",
    "This is the address of your MedVault account",
  ]);
});

test("a change to an address that another account has by then takes no effect, and no mail says so", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  await api.patch("/v1/auth/me", { email: "wanted-by-two@home.example" });
  const token = await h.mailedToken("wanted-by-two@home.example");
  await h.person("patient", { email: "wanted-by-two@home.example" });
  expect((await verifyEmail(token)).status).toBe(400);
  expect((await mailsTo(person.account.email)).map(({ subject }) => subject)).toEqual([ASKED]);
});

test("setting a second factor up and giving it up, and new recovery codes, are notified, and refusals are not", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  const { secret } = (await api.post<{ secret: string }>("/v1/auth/mfa/setup")).body;
  expect((await api.post("/v1/auth/mfa/verify", { code: h.wrongCode({ totpSecret: secret }) })).status).toBe(
    401,
  );
  expect(await notifiedOf(person)).toEqual([]);
  const enrolled = { ...person, totpSecret: secret };
  expect((await api.post("/v1/auth/mfa/verify", { code: h.code(enrolled) })).status).toBe(200);
  const expected = ["An authenticator app was set up as the second factor of your account"];
  expect(await notifiedOf(person)).toEqual(expected);

  const newCodes = "/v1/auth/mfa/recovery-codes";
  expect((await api.post(newCodes, { password: PASSWORD, code: h.wrongCode(enrolled) })).status).toBe(401);
  expect(await notifiedOf(person)).toEqual(expected);
  const codes = await api.post<{ recoveryCodes: string[] }>(newCodes, {
    password: PASSWORD,
    code: h.code(enrolled, 1),
  });
  expect(codes.status).toBe(200);
  expected.push("The recovery codes of your account were replaced");
  expect(await notifiedOf(person)).toEqual(expected);

  const [code = ""] = codes.body.recoveryCodes;
  expect((await api.post("/v1/auth/mfa/disable", { password: "Wrong-1", code })).status).toBe(401);
  expect(await notifiedOf(person)).toEqual(expected);
  expect((await api.post("/v1/auth/mfa/disable", { password: PASSWORD, code })).status).toBe(204);
  expected.push(
    "A recovery code of your account was used",
    "The second factor of your account was turned off",
  );
  expect((await notifiedOf(person)).sort()).toEqual([...expected].sort()); // four senders
  const texts = (await mailsTo(person.account.email)).map(({ text }) => text).join();
  for (const kept of [secret, ...codes.body.recoveryCodes]) expect(texts).not.toContain(kept);
});

test("a passkey that is added and one that is removed are notified, and refusals are not", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  expect((await api.post("/v1/auth/passkeys/register/verify", {})).status).toBe(400);
  expect((await api.delete("/v1/auth/passkeys/none")).status).toBe(404);
  expect(await notifiedOf(person)).toEqual([]);
  const [first, second] = [await passkey(api), await passkey(api)];
  const added = "A passkey was added to your account";
  expect(await notifiedOf(person)).toEqual([added, added]);
  expect((await api.delete(`/v1/auth/passkeys/${first.body.id}`)).status).toBe(204);
  expect((await notifiedOf(person)).slice(2)).toEqual(["A passkey was removed from your account"]);
  expect((await api.delete(`/v1/auth/passkeys/${second.body.id}`)).status).toBe(204);
  expect((await notifiedOf(person)).slice(3)).toEqual([
    "The last passkey of your account was removed, and its second factor with it",
  ]);

  const doctor = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
  const enrolling = await h.withToken((await h.signIn(doctor)).body.accessToken);
  const only = await passkey(enrolling);
  const full = await h.withToken(only.body.accessToken);
  expect((await full.delete(`/v1/auth/passkeys/${only.body.id}`)).status).toBe(403);
  expect(await notifiedOf(doctor)).toEqual([added]);
});

test("the owner of an address hears nothing of what an account does that only claims it", async () => {
  const owner = await h.person("patient");
  const claimant = { username: "only-claims-it", email: owner.account.email, password: PASSWORD };
  expect((await h.guest().post("/v1/auth/register", claimant)).status).toBe(201);
  const login = await h.guest().post<Answer>("/v1/auth/login", {
    identifier: claimant.username,
    password: PASSWORD,
  });
  expect((await passkey(await h.withToken(login.body.accessToken))).status).toBe(201);
  expect((await mailsTo(owner.account.email)).map(({ subject }) => subject)).toEqual([
    "You have a MedVault account",
  ]);
});

test("a day has twenty mails about an account's factors, so that nobody is buried in them", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  for (let i = 0; i < 11; i++) {
    const made = await passkey(api);
    expect((await api.delete(`/v1/auth/passkeys/${made.body.id}`)).status).toBe(204);
  }
  expect(await notifiedOf(person)).toHaveLength(20);
});
