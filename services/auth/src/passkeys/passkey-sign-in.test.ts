import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import {
  type Creation,
  type Request,
  SoftAuthenticator,
  type Wrongs,
} from "../../test/soft-authenticator.ts";
import { lockAccount, saveAccount } from "../accounts/account.store.ts";
import { changeSessions } from "../sessions/session.service.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const ORIGIN = "https://medvault.example";
const LOGIN = "/v1/auth/passkeys/login/verify";

interface Owner {
  person: Person;
  authenticator: SoftAuthenticator;
  id: string;
}

/** A person with a passkey; `step` 0: its authenticator keeps no count. */
async function owner(role: "patient" | "doctor" = "doctor", step = 1): Promise<Owner> {
  const person = await h.person(role);
  const authenticator = new SoftAuthenticator(ORIGIN, step);
  const { api } = await h.client(person);
  const { body } = await api.post<Creation>("/v1/auth/passkeys/register/options");
  const made = await api.post<Answer>("/v1/auth/passkeys/register/verify", authenticator.create(body));
  expect(made.status).toBe(201);
  await api.post("/v1/auth/logout");
  await h.events();
  return { person, authenticator, id: String(made.body.id) };
}

const optionsOf = async (body: object = {}) =>
  (await h.guest().post<Request & Answer>("/v1/auth/passkeys/login/options", body)).body;
const signIn = async ({ authenticator }: Owner, wrongs: Wrongs = {}) =>
  h.guest().post<Answer>(LOGIN, authenticator.get(await optionsOf(), wrongs));
const halfOf = async (person: Person) =>
  (
    await h
      .guest()
      .post<Answer>("/v1/auth/login", { identifier: person.account.username, password: PASSWORD })
  ).body.mfaToken;
const recorded = async () =>
  (await h.events()).map((e) => [e.type.replace("medvault.auth.", ""), e.data.decision.reason]);

test("a passkey is a way in by itself: two factors in one, also for staff", async () => {
  const her = await owner();
  const done = await signIn(her);
  expect(done).toMatchObject({ status: 200, body: { tokenType: "Bearer" } });
  const api = await h.withToken(done.body.accessToken);
  expect(api.actor.amr).toEqual(["pop", "user", "mfa"]);
  expect(JSON.parse(Buffer.from(done.body.accessToken.split(".")[1] ?? "", "base64url").toString()).acr).toBe(
    "aal2",
  );
  expect((await api.get("/v1/auth/me")).body).toMatchObject({ id: her.person.account.id });
  expect(await h.redis.client.hget(`session:${done.body.sessionId}`, "mfa")).toBe("1");
  const events = await h.events();
  expect(events.slice(0, 2)).toMatchObject([
    { type: "medvault.auth.passkey.used.v1", subject: `passkey/${her.id}` },
    { type: "medvault.auth.session.started.v1", data: { decision: { reason: "passkey" } } },
  ]);
  const { rows } = await h.ctx.pool.query("select sign_count, last_used_at from passkeys where id = $1", [
    her.id,
  ]);
  expect(rows).toEqual([{ sign_count: 1, last_used_at: h.ctx.now() }]);
});

test("the options are alike for everybody, and name no credential", async () => {
  const her = await owner();
  const answers = [
    await optionsOf(),
    await optionsOf({ identifier: her.person.account.username }),
    await optionsOf({ identifier: "nobody-of-that-name" }),
  ];
  for (const { challenge, ...rest } of answers) {
    expect(challenge).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(rest).toEqual({
      rpId: "medvault.example",
      timeout: 300_000,
      allowCredentials: [],
      userVerification: "required",
    });
  }
  const { rows } = await h.ctx.pool.query<{ row: string }>("select c::text as row from passkey_challenges c");
  for (const { challenge } of answers) {
    const hex = Buffer.from(challenge, "base64url").toString("hex");
    expect(rows.map(({ row }) => row).join()).not.toContain(hex);
  }
});

test("a passkey is the second factor of a sign-in, without the user being verified again", async () => {
  const her = await owner();
  const mfaToken = await halfOf(her.person);
  const options = await optionsOf({ mfaToken });
  expect(options).toMatchObject({
    userVerification: "preferred",
    allowCredentials: [{ id: her.authenticator.held[0]?.id.toString("base64url"), type: "public-key" }],
  });
  const passkey = her.authenticator.get(options, { userVerified: false, userHandle: null });
  const done = await h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken, passkey });
  expect(done.status).toBe(200);
  expect((await h.withToken(done.body.accessToken)).actor.amr).toEqual(["pwd", "pop", "mfa"]);
  const again = her.authenticator.get(await optionsOf({ mfaToken: await halfOf(her.person) }));
  expect(
    (await h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken, passkey: again })).body.code,
  ).toBe("mfa_token_invalid");
  expect(await optionsOf({ mfaToken })).toMatchObject({ code: "mfa_token_invalid" });
  for (const body of [{ mfaToken }, { mfaToken, code: "123456", passkey }]) {
    expect((await h.guest().post<Answer>("/v1/auth/mfa/challenge", body)).body.code).toBe("invalid_input");
  }
});

test("a passkey proves again who is signed in, and nobody else's does", async () => {
  const [her, him] = [await owner(), await owner()];
  const api = await h.withToken((await signIn(her)).body.accessToken);
  const stale = await h.withToken((await signIn(her)).body.accessToken, { authTime: 1 });
  expect((await stale.delete<Answer>(`/v1/auth/passkeys/${her.id}`)).body.code).toBe("step_up_required");
  const options = (await api.post<Request>("/v1/auth/passkeys/step-up/options")).body;
  const done = await api.post<Answer>("/v1/auth/step-up", { passkey: her.authenticator.get(options) });
  expect(done).toMatchObject({ status: 200, body: { expiresIn: 600 } });
  expect(done.body).not.toHaveProperty("refreshToken");
  expect((await h.withToken(done.body.accessToken)).actor.amr).toEqual(["pop", "user", "mfa"]);
  const next = (await api.post<Request>("/v1/auth/passkeys/step-up/options")).body;
  const foreign = await api.post<Answer>("/v1/auth/step-up", { passkey: him.authenticator.get(next) });
  expect(foreign).toMatchObject({ status: 401, body: { code: "invalid_passkey" } });
  expect((await recorded()).slice(-2)).toEqual([
    ["step-up.failed.v1", "invalid_passkey"],
    ["passkey.denied.v1", "wrong_user"],
  ]);
  const unverified = (await api.post<Request>("/v1/auth/passkeys/step-up/options")).body;
  const weak = her.authenticator.get(unverified, { userVerified: false });
  expect((await api.post("/v1/auth/step-up", { passkey: weak })).status).toBe(401);
});

test.each<[string, Wrongs, string]>([
  ["of a page of another site", { origin: "https://evil.test" }, "foreign_origin"],
  ["of a page without TLS", { origin: "http://medvault.example" }, "foreign_origin"],
  ["of a page in a foreign frame", { crossOrigin: true }, "foreign_origin"],
  ["for another domain", { rpId: "evil.test" }, "signature_invalid"],
  ["that is a registration", { type: "webauthn.create" }, "signature_invalid"],
  ["with a changed signature", { signature: (s) => s.fill(1, 20, 24) }, "signature_invalid"],
  ["with no signature to speak of", { signature: () => Buffer.alloc(8) }, "signature_invalid"],
  ["without the user's presence", { userPresent: false }, "signature_invalid"],
  ["without a verified user", { userVerified: false }, "not_verified"],
  ["that names another user", { userHandle: "AAAAAAAAAAAAAAAAAAAAAA" }, "wrong_user"],
  ["that names no user", { userHandle: null }, "wrong_user"],
])("an assertion %s is refused, counts, and leaves its reason to the log", async (_, wrongs, fault) => {
  const her = await owner();
  const answer = await signIn(her, wrongs);
  expect(answer).toMatchObject({ status: 401, body: { code: "invalid_passkey" } });
  expect(await recorded()).toEqual([
    ["login.failed.v1", "invalid_passkey"],
    ["passkey.denied.v1", fault],
  ]);
  expect((await signIn(her)).status).toBe(200);
});

test("an assertion is good once, and a challenge only for what it was given out for", async () => {
  const her = await owner();
  const assertion = her.authenticator.get(await optionsOf());
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => h.guest().post<Answer>(LOGIN, assertion)),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  await h.events();
  const replayed = await h.guest().post<Answer>(LOGIN, assertion);
  expect(replayed).toMatchObject({ status: 401, body: { code: "passkey_challenge_invalid" } });
  expect(await recorded()).toEqual([["passkey.denied.v1", "challenge_unknown"]]);

  const mfaToken = await halfOf(her.person);
  const forSecondFactor = her.authenticator.get(await optionsOf({ mfaToken }));
  expect((await h.guest().post<Answer>(LOGIN, forSecondFactor)).body.code).toBe("passkey_challenge_invalid");
  const forLogin = her.authenticator.get(await optionsOf());
  const asFactor = await h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken, passkey: forLogin });
  expect(asFactor.body.code).toBe("passkey_challenge_invalid");
  const otherHalf = her.authenticator.get(await optionsOf({ mfaToken: await halfOf(her.person) }));
  const swapped = await h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken, passkey: otherHalf });
  expect(swapped.body.code).toBe("passkey_challenge_invalid");
  const late = her.authenticator.get(await optionsOf());
  h.advance(5 * 60_000);
  expect((await h.guest().post<Answer>(LOGIN, late)).body.code).toBe("passkey_challenge_invalid");
});

test("a count that does not rise is a copied authenticator: refused, with an event; one that counts nothing is not", async () => {
  const her = await owner();
  expect((await signIn(her, { count: 10 })).status).toBe(200);
  await h.events();
  for (const count of [10, 9, 0]) {
    expect((await signIn(her, { count })).body.code).toBe("invalid_passkey");
    expect((await recorded()).at(-1)).toEqual(["passkey.denied.v1", "counter_went_back"]);
  }
  expect((await signIn(her, { count: 11 })).status).toBe(200);
  const him = await owner("doctor", 0);
  for (let i = 0; i < 2; i++) expect((await signIn(him)).status).toBe(200);
});

test("a removed passkey, a stranger's and a disabled account's are refused in the same words", async () => {
  const [removed, disabled] = [await owner("patient"), await owner()];
  const { api } = { api: await h.withToken((await signIn(removed)).body.accessToken) };
  expect((await api.delete(`/v1/auth/passkeys/${removed.id}`)).status).toBe(204);
  await changeSessions(h.ctx, async ({ tx }) => {
    const account = await lockAccount(tx, h.ctx, disabled.person.account.id);
    if (account) await saveAccount(tx, h.ctx, { ...account, disabled: true }, h.ctx.now());
  });
  const stranger = new SoftAuthenticator(ORIGIN);
  stranger.create({ challenge: "x", rp: { id: "medvault.example" }, user: { id: "AAAA" } });
  const answers = [
    await signIn(removed),
    await signIn(disabled),
    await h.guest().post<Answer>(LOGIN, stranger.get(await optionsOf())),
  ].map(({ status, body }) => ({ status, body: { ...body, requestId: "" } }));
  expect(answers[0]).toMatchObject({ status: 401, body: { code: "invalid_passkey" } });
  for (const other of answers) expect(other).toEqual(answers[0]);
  const reasons = (await recorded())
    .filter(([type]) => type === "passkey.denied.v1")
    .map(([, reason]) => reason);
  expect(reasons).toEqual(["unknown_passkey", "account_not_usable", "unknown_passkey"]);
});

test("wrong assertions count toward the lockout, and a lock holds for the right one too", async () => {
  const her = await owner();
  const wrong = { signature: () => Buffer.alloc(70) };
  for (let i = 0; i < 5; i++) {
    const api = h.guest({ ip: "198.51.100.77" });
    expect((await api.post<Answer>(LOGIN, her.authenticator.get(await optionsOf(), wrong))).status).toBe(401);
  }
  const right = her.authenticator.get(await optionsOf());
  const locked = await h.guest({ ip: "198.51.100.77" }).post<Answer>(LOGIN, right);
  expect(locked).toMatchObject({ status: 429, body: { code: "login_locked" } });
  const half = await h
    .guest({ ip: "198.51.100.77" })
    .post<Answer>("/v1/auth/login", { identifier: her.person.account.username, password: PASSWORD });
  expect(half.status).toBe(429); // the same bucket
});

test("what is no assertion is refused before anything is looked at", async () => {
  const her = await owner();
  const good = her.authenticator.get(await optionsOf());
  for (const bad of [
    {},
    { ...good, id: "not base64url!" },
    { ...good, type: "password" },
    { ...good, response: { ...good.response, signature: "" } },
    { ...good, response: { ...good.response, clientDataJSON: "A".repeat(5000) } },
    { ...good, role: "admin" },
  ]) {
    expect((await h.guest().post<Answer>(LOGIN, bad)).body.code).toBe("invalid_input");
  }
  const garbled = { ...good, response: { ...good.response, clientDataJSON: "e30" } };
  expect((await h.guest().post<Answer>(LOGIN, garbled)).status).toBe(401);
  expect((await h.guest().post<Answer>(LOGIN, { ...good, rawId: `${good.rawId}AA` })).status).toBe(401);
});
