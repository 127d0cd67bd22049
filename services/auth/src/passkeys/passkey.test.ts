import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";
import { type Creation, SoftAuthenticator, type Wrongs } from "../../test/soft-authenticator.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

interface Registered extends Answer {
  id: string;
  name: string;
  recoveryCodes?: string[];
}
const ORIGIN = "https://medvault.example";
const OPTIONS = "/v1/auth/passkeys/register/options";
const VERIFY = "/v1/auth/passkeys/register/verify";

const optionsOf = async (api: TestClient) => (await api.post<Creation & Answer>(OPTIONS)).body;
async function register(api: TestClient, wrongs: Wrongs = {}, authenticator = new SoftAuthenticator(ORIGIN)) {
  const made = authenticator.create(await optionsOf(api), wrongs);
  return { made, authenticator, answer: await api.post<Registered>(VERIFY, made) };
}
const login = (username: string) =>
  h.guest().post<Answer>("/v1/auth/login", { identifier: username, password: PASSWORD });
const types = async () => (await h.events()).map((event) => event.type.replace("medvault.auth.", ""));

test("a patient's first passkey is a second factor: recovery codes come with it and other sessions end", async () => {
  const person = await h.person("patient");
  const [own, other] = [await h.client(person), await h.client(person)];
  await h.events();
  const { answer } = await register(own.api);
  expect(answer).toMatchObject({
    status: 201,
    body: { name: "Unknown device", lastUsedAt: null, backedUp: false },
  });
  expect(answer.body.recoveryCodes).toHaveLength(10);
  expect(answer.body).not.toHaveProperty("accessToken");
  expect(await types()).toEqual(["passkey.registered.v1", "mfa.enabled.v1", "session.ended.v1"]);
  expect(await h.redis.client.exists(`session:${other.tokens.sessionId}`)).toBe(0);
  expect(await h.redis.client.hget(`session:${own.tokens.sessionId}`, "mfa")).toBe("1");
  expect((await own.api.get("/v1/auth/mfa/status")).body).toEqual({
    enabled: true,
    requiredForRole: false,
    methods: ["passkey", "recovery_code"],
    recoveryCodesLeft: 10,
  });
  const half = await login(person.account.username);
  expect(half.body).toMatchObject({ mfaRequired: true, methods: ["passkey", "recovery_code"] });
  expect(half.body).not.toHaveProperty("accessToken");
  const done = await h.guest().post<Answer>("/v1/auth/mfa/challenge", {
    mfaToken: half.body.mfaToken,
    code: answer.body.recoveryCodes?.[3],
  });
  expect(done.status).toBe(200);
});

test("a doctor who must have a second factor may enrol a passkey instead of TOTP, and is signed in by it", async () => {
  const person = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
  const enrolling = await login(person.account.username);
  expect(enrolling.body).toMatchObject({ mfaEnrollmentRequired: true, scope: "account:enroll:own" });
  const api = await h.withToken(enrolling.body.accessToken);
  expect((await api.get("/v1/auth/passkeys")).status).toBe(403);
  const { answer } = await register(api);
  expect(answer).toMatchObject({ status: 201, body: { tokenType: "Bearer" } });
  expect(answer.body.recoveryCodes).toHaveLength(10);
  // It is the end of a sign-in: the device has a lockout bucket of its own from now on.
  expect(answer.body.deviceToken).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const known = await h.ctx.pool.query("select from known_devices where user_id = $1", [person.account.id]);
  expect(known.rowCount).toBe(1);
  const full = await h.withToken(answer.body.accessToken);
  expect(full.actor.amr).toEqual(["pwd", "pop", "mfa"]);
  expect((await full.get("/v1/auth/me")).body).toMatchObject({ mfaEnabled: true });
  expect((await full.get("/v1/auth/mfa/status")).body).toMatchObject({
    methods: ["passkey", "recovery_code"],
  });
  expect(await h.redis.client.exists(`session:${enrolling.body.sessionId}`)).toBe(0);
});

test("a second passkey changes no session, is named, renamed with its ETag, and read by its owner alone", async () => {
  const person = await h.person("doctor");
  const { api } = await h.client(person);
  const other = await h.client(await h.person("doctor"));
  const made = new SoftAuthenticator(ORIGIN).create(await optionsOf(api));
  const { status, body } = await api.post<Registered>(VERIFY, { ...made, name: "Key ring" });
  expect([status, body.name, body.recoveryCodes]).toEqual([201, "Key ring", undefined]);
  const path = `/v1/auth/passkeys/${body.id}`;
  await h.events();
  const read = await api.get(path);
  expect(read.headers.get("etag")).toBe('"1"');
  expect((await api.get<{ items: object[] }>("/v1/auth/passkeys")).body.items).toEqual([read.body]);
  const renamed = await api.patch(path, { name: "Desk" }, { headers: { "if-match": '"1"' } });
  expect(renamed).toMatchObject({ status: 200, body: { name: "Desk" } });
  expect((await api.patch(path, { name: "x" }, { headers: { "if-match": '"1"' } })).status).toBe(412);
  expect((await api.patch(path, { name: " " })).status).toBe(400);
  for (const answer of [
    await other.api.get<Answer>(path),
    await other.api.patch<Answer>(path, { name: "mine" }),
    await other.api.delete<Answer>(path),
    await api.get<Answer>("/v1/auth/passkeys/none"),
  ]) {
    expect([answer.status, answer.body.code]).toEqual([404, "not_found"]);
  }
  expect((await types()).slice(0, 3)).toEqual(["passkey.read.v1", "passkey.listed.v1", "passkey.renamed.v1"]);
});

test("adding and removing require a fresh sign-in", async () => {
  const { tokens, api } = await h.client(await h.person("patient"));
  const { answer } = await register(api);
  const stale = await h.withToken(tokens.accessToken, { authTime: Math.floor(Date.now() / 1000) - 601 });
  for (const refused of [
    await stale.post<Answer>(OPTIONS),
    await stale.post<Answer>(VERIFY, {}),
    await stale.delete<Answer>(`/v1/auth/passkeys/${answer.body.id}`),
  ]) {
    expect([refused.status, refused.body.code]).toEqual([403, "step_up_required"]);
  }
  expect((await h.guest().post(OPTIONS)).status).toBe(401);
});

test("staff keep their last factor; a patient may give it up, and the password alone suffices again", async () => {
  const doctor = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
  const enrolling = await h.withToken((await login(doctor.account.username)).body.accessToken);
  const first = (await register(enrolling)).answer.body;
  const api = await h.withToken(first.accessToken);
  const refused = await api.delete(`/v1/auth/passkeys/${first.id}`);
  expect(refused).toMatchObject({ status: 403, body: { code: "mfa_required_for_role" } });
  const second = (await register(api)).answer.body;
  // Of two removals at once of the last two, one stays.
  const removals = await Promise.all([first, second].map(({ id }) => api.delete(`/v1/auth/passkeys/${id}`)));
  expect(removals.map(({ status }) => status).sort()).toEqual([204, 403]);

  const patient = await h.person("patient");
  const [own, other] = [await h.client(patient), await h.client(patient)];
  const { id } = (await register(own.api)).answer.body;
  await h.events();
  expect((await own.api.delete(`/v1/auth/passkeys/${id}`)).status).toBe(204);
  expect((await types()).slice(0, 2)).toEqual(["passkey.removed.v1", "mfa.disabled.v1"]);
  expect(await h.redis.client.exists(`session:${other.tokens.sessionId}`)).toBe(0);
  expect((await own.api.get("/v1/auth/mfa/status")).body).toMatchObject({
    enabled: false,
    recoveryCodesLeft: 0,
  });
  expect((await login(patient.account.username)).body).toHaveProperty("refreshToken");
});

test("giving the second factor up takes the passkeys along", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  const codes = (await register(api)).answer.body.recoveryCodes ?? [];
  const done = await api.post("/v1/auth/mfa/disable", { password: PASSWORD, code: codes[0] });
  expect(done.status).toBe(204);
  expect((await api.get("/v1/auth/passkeys")).body).toEqual({ items: [] });
});

test.each<[string, Wrongs, string]>([
  ["of a page of another site", { origin: "https://medvault.example.evil.test" }, "passkey_rejected"],
  ["of a page on another port", { origin: "https://medvault.example:8443" }, "passkey_rejected"],
  ["of a page in a foreign frame", { crossOrigin: true }, "passkey_rejected"],
  ["made for another domain", { rpId: "evil.test" }, "passkey_rejected"],
  ["that is an assertion", { type: "webauthn.get" }, "passkey_rejected"],
  ["without the user's presence", { userPresent: false }, "passkey_rejected"],
  ["with certificates that nobody asked for", { format: "packed-x5c" }, "passkey_rejected"],
  ["of a challenge that nobody gave out", { challenge: "A".repeat(43) }, "passkey_challenge_invalid"],
])("a registration %s is refused, with an event", async (_, wrongs, code) => {
  const { api } = await h.client(await h.person("patient"));
  await h.events();
  const { answer } = await register(api, wrongs);
  expect(answer.body.code).toBe(code);
  expect([400, 401]).toContain(answer.status);
  expect((await h.events()).map((e) => [e.type, e.data.outcome])).toEqual([
    ["medvault.auth.passkey.denied.v1", "denied"],
  ]);
  expect((await api.get("/v1/auth/passkeys")).body).toEqual({ items: [] });
});

test("a challenge is good once, for five minutes, for the session that it was given to", async () => {
  const one = await h.client(await h.person("doctor"));
  const authenticator = new SoftAuthenticator(ORIGIN);
  const used = authenticator.create(await optionsOf(one.api));
  expect((await one.api.post(VERIFY, used)).status).toBe(201);
  expect((await one.api.post<Answer>(VERIFY, used)).body.code).toBe("passkey_challenge_invalid");
  const options = await optionsOf(one.api);
  const elsewhere = await h.client(await h.person("doctor"));
  const foreign = await elsewhere.api.post<Answer>(VERIFY, authenticator.create(options));
  expect(foreign.body.code).toBe("passkey_challenge_invalid");
  expect((await one.api.post<Answer>(VERIFY, authenticator.create(options))).body.code).toBe(
    "passkey_challenge_invalid", // used up by the one who tried it
  );
  const late = authenticator.create(await optionsOf(one.api));
  h.advance(5 * 60_000);
  expect((await one.api.post<Answer>(VERIFY, late)).body.code).toBe("passkey_challenge_invalid");
});

test("twenty passkeys are enough, and one credential cannot be two accounts'", async () => {
  const { api } = await h.client(await h.person("doctor"));
  const authenticator = new SoftAuthenticator(ORIGIN);
  const early = authenticator.create(await optionsOf(api));
  for (let i = 0; i < 20; i++) expect((await register(api, {}, authenticator)).answer.status).toBe(201);
  expect(await api.post(OPTIONS)).toMatchObject({ status: 409, body: { code: "passkey_limit" } });
  expect(await api.post(VERIFY, early)).toMatchObject({ status: 409, body: { code: "passkey_limit" } });

  const other = await h.client(await h.person("doctor"));
  const taken = authenticator.held.at(-1);
  const again = new SoftAuthenticator(ORIGIN);
  const made = again.create(await optionsOf(other.api), taken ? { credentialId: taken.id } : {});
  expect(await other.api.post(VERIFY, made)).toMatchObject({ status: 409, body: { code: "passkey_known" } });
});

test("the table shows neither credential, key nor name, and a passkey given to another user does not open", async () => {
  const victim = await h.client(await h.person("doctor"));
  const thief = await h.client(await h.person("doctor"));
  const made = new SoftAuthenticator(ORIGIN).create(await optionsOf(victim.api));
  const { body } = await victim.api.post<Registered>(VERIFY, { ...made, name: "Very own key" });
  const { rows } = await h.ctx.pool.query<{ row: string }>(
    "select p::text as row from passkeys p where id = $1",
    [body.id],
  );
  const hex = Buffer.from(made.id, "base64url").toString("hex");
  for (const secret of [hex, made.id, Buffer.from("Very own key").toString("hex"), "Very own key"]) {
    expect(rows[0]?.row).not.toContain(secret);
  }
  await h.ctx.pool.query("update passkeys set user_id = $2 where id = $1", [body.id, thief.api.actor.id]);
  expect((await thief.api.get("/v1/auth/passkeys")).status).toBe(500);
});

test("a deleted user's passkeys are gone", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  await register(api);
  const admin = await h.client(await h.person("admin"));
  expect((await admin.api.delete(`/v1/users/${person.account.id}`)).status).toBe(204);
  const { rows } = await h.ctx.pool.query("select from passkeys where user_id = $1", [person.account.id]);
  expect(rows).toEqual([]);
});
