import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mailedToken } from "../dev/demo/mail.ts";
import { freshAdmin } from "./support/admin.ts";
import { type Device, openBrowser, openDevice as openDeviceOf } from "./support/browser.ts";
import { Client, type Json } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { items, type Person, registerPatient, text } from "./support/people.ts";

// WebAuthn wants a domain, so pages are those of localhost; the API is called by its address.
const gateway = ops().gateway;
const site = gateway.replace("127.0.0.1", "localhost");
let browser: Browser;
let admin: Client;

beforeAll(async () => {
  browser = await openBrowser();
  admin = (await freshAdmin(ops())).client;
}, 360_000);
afterAll(() => browser?.close());

const openDevice = (url = `${site}/healthz`) => openDeviceOf(browser, url);
const post = async (client: Client, path: string, body: unknown = {}) =>
  client.post(`/v1/auth/passkeys/${path}`, body);

async function addPasskey(client: Client, device: Device): Promise<Json> {
  const options = await post(client, "register/options");
  expect(options.status, JSON.stringify(options.body)).toBe(200);
  const made = await post(client, "register/verify", await device.create(options.body));
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return made.body;
}

/** A person with a passkey on a device of their own. */
async function owner(): Promise<{ person: Person; device: Device; passkey: Json }> {
  const [person, device] = [await registerPatient(ops()), await openDevice()];
  return { person, device, passkey: await addPasskey(person.client, device) };
}

async function loginOptions(body: Json = {}): Promise<Json> {
  return (await post(new Client(gateway), "login/options", body)).body;
}
async function signIn(device: Device) {
  const client = new Client(gateway);
  const answer = await post(client, "login/verify", await device.get(await loginOptions()));
  return { client, answer };
}
async function firstHalf(person: Person): Promise<string> {
  const { username: identifier, password } = person;
  const half = await new Client(gateway).post("/v1/auth/login", { identifier, password });
  expect(half.body).toMatchObject({ mfaRequired: true, methods: ["passkey", "recovery_code"] });
  return text(half.body, "mfaToken");
}
const secondHalf = (mfaToken: string, passkey: Json) =>
  new Client(gateway).post("/v1/auth/mfa/challenge", { mfaToken, passkey });

/** The reason in the newest refusal of a passkey of this user, once it is in the log. */
async function denialOf(userId: string, reason: string): Promise<void> {
  const query = `subject=user/${userId}&type=medvault.auth.passkey.denied.v1`;
  const reasons = async () =>
    items((await admin.get(`/v1/audit/events?${query}`)).body).map(
      (event) => (event.decision as Json).reason,
    );
  await expect.poll(reasons, { timeout: 15_000 }).toContain(reason);
}

test("a passkey made in a browser signs in by itself, as the second factor, and steps up", async () => {
  const { person, device, passkey } = await owner();
  expect(passkey.recoveryCodes).toHaveLength(10);
  const { client, answer } = await signIn(device);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  client.keep(answer);
  expect((await client.get("/v1/auth/me")).body).toMatchObject({ id: person.id, mfaEnabled: true });

  const mfaToken = await firstHalf(person);
  const second = await secondHalf(mfaToken, await device.get(await loginOptions({ mfaToken })));
  expect(second.status, JSON.stringify(second.body)).toBe(200);

  const options = (await post(client, "step-up/options")).body;
  const stepped = await client.post("/v1/auth/step-up", { passkey: await device.get(options) });
  expect(stepped).toMatchObject({ status: 200, body: { expiresIn: 600 } });
  expect(items((await client.get("/v1/auth/passkeys")).body)).toMatchObject([{ id: passkey.id }]);
  // The browser itself does not make a second one on the same authenticator.
  const again = (await post(client.keep(stepped), "register/options")).body;
  await expect(device.create(again)).rejects.toThrow(/InvalidStateError/);
  await device.close();
});

test("an invited doctor enrols a passkey instead of TOTP, and needs nothing else from then on", async () => {
  const name = `doctor-${Date.now().toString(36)}`;
  const email = `${name}@clinic.example`;
  const newPassword = "Quaint-Harbour7-Lantern!x";
  expect((await admin.post("/v1/users", { username: name, email, role: "doctor" })).status).toBe(201);
  const token = await mailedToken(ops().dirs.mail, email);
  const newcomer = new Client(gateway);
  expect((await newcomer.post("/v1/auth/password/reset", { token, newPassword })).status).toBe(204);
  const login = await newcomer.post("/v1/auth/login", { identifier: name, password: newPassword });
  expect(login.body.mfaEnrollmentRequired).toBe(true);
  newcomer.keep(login);
  expect((await newcomer.get("/v1/patients")).status).toBe(403);
  const device = await openDevice();
  const made = await addPasskey(newcomer, device);
  expect(made).toMatchObject({ tokenType: "Bearer" });
  const { client, answer } = await signIn(device);
  expect((await client.keep(answer).get("/v1/patients")).status).toBe(200);
  expect((await client.delete(`/v1/auth/passkeys/${made.id}`)).body.code).toBe("mfa_required_for_role");
  await device.close();
});

test("another person's passkey, and an assertion that was used before, open nothing", async () => {
  const [her, him] = [await owner(), await owner()];
  const mfaToken = await firstHalf(her.person);
  const options = await loginOptions({ mfaToken });
  // A browser would not sign for a credential that it lacks; an attacker's ignores the list.
  const foreign = await secondHalf(mfaToken, await him.device.get({ ...options, allowCredentials: [] }));
  expect(foreign).toMatchObject({ status: 401, body: { code: "invalid_passkey" } });
  await denialOf(her.person.id, "wrong_user");

  const assertion = await her.device.get(await loginOptions());
  expect((await post(new Client(gateway), "login/verify", assertion)).status).toBe(200);
  const replayed = await post(new Client(gateway), "login/verify", assertion);
  expect(replayed).toMatchObject({ status: 401, body: { code: "passkey_challenge_invalid" } });
  await denialOf(her.person.id, "challenge_unknown");
  await Promise.all([her.device.close(), him.device.close()]);
});

test("a page of another origin gets a signature from the authenticator, and nothing for it here", async () => {
  const her = await owner();
  // Another site: the same machine, another port.
  const evil = createServer((_req, res) => res.setHeader("content-type", "text/html").end("<p>evil</p>"));
  await once(evil.listen(0, "127.0.0.1"), "listening");
  const elsewhere = await openDevice(`http://localhost:${(evil.address() as AddressInfo).port}/`);
  try {
    const [credential] = await her.device.credentials();
    if (!credential) throw new Error("no credential");
    await elsewhere.hold(credential);
    const answer = await signIn(elsewhere);
    expect(answer.answer).toMatchObject({ status: 401, body: { code: "invalid_passkey" } });
    await denialOf(her.person.id, "foreign_origin");
    await expect(elsewhere.get({ ...(await loginOptions()), rpId: "medvault.example" })).rejects.toThrow(
      /SecurityError/,
    );
  } finally {
    await Promise.all([elsewhere.close(), her.device.close()]);
    evil.close();
  }
});

test("a copied authenticator is found by its count, and refused", async () => {
  const { person, device } = await owner();
  const [copied] = await device.credentials();
  if (!copied) throw new Error("no credential");
  for (let i = 0; i < 2; i++) expect((await signIn(device)).answer.status).toBe(200);
  await device.hold(copied);
  const { answer } = await signIn(device);
  expect(answer).toMatchObject({ status: 401, body: { code: "invalid_passkey" } });
  await denialOf(person.id, "counter_went_back");
  await device.close();
});

test("a deleted passkey and a disabled account are refused in the same words", async () => {
  const [deleted, disabled] = [await owner(), await owner()];
  expect((await deleted.person.client.delete(`/v1/auth/passkeys/${deleted.passkey.id}`)).status).toBe(204);
  const user = await admin.call("PATCH", `/v1/users/${disabled.person.id}`, { body: { disabled: true } });
  expect(user.status, JSON.stringify(user.body)).toBe(200);
  const answers = [await signIn(deleted.device), await signIn(disabled.device)].map(({ answer }) => answer);
  for (const { status, body } of answers) expect([status, body.code]).toEqual([401, "invalid_passkey"]);
  await denialOf(disabled.person.id, "account_not_usable");
  await Promise.all([deleted.device.close(), disabled.device.close()]);
});
