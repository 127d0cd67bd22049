import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { createPasswordCheck } from "../passwords/password-policy.ts";
import { commonWords } from "../passwords/word-table.store.ts";
import { newTotpSecret } from "./totp.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const login = (person: Person) =>
  h.guest().post<Answer>("/v1/auth/login", { identifier: person.account.username, password: PASSWORD });
const challenge = (mfaToken: string, code: string) =>
  h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken, code });

interface Setup {
  secret: string;
  otpauthUrl: string;
  qrCode: string;
  recoveryCodes: string[];
}

test("a doctor without a second factor gets a token for the set-up only, enrols, and is signed in", async () => {
  const person = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
  const enrolling = await login(person);
  expect(enrolling).toMatchObject({
    status: 200,
    body: { mfaEnrollmentRequired: true, scope: "account:enroll:own" },
  });
  expect(enrolling.body).not.toHaveProperty("refreshToken");
  const api = await h.withToken(enrolling.body.accessToken);
  for (const elsewhere of ["/v1/auth/me", "/v1/auth/sessions", "/v1/users", "/v1/roles", "/v1/sessions"]) {
    expect((await api.get(elsewhere)).status).toBe(403);
  }
  expect((await api.post("/v1/auth/step-up", { password: PASSWORD })).status).toBe(403);
  const { body: setup } = await api.post<Setup>("/v1/auth/mfa/setup");
  expect(setup.recoveryCodes).toHaveLength(10);
  expect(setup.qrCode).toMatch(/^data:image\/png;base64,iVBOR/);
  expect(setup.otpauthUrl).toMatch(/^otpauth:\/\/totp\/MedVault/);
  const wrong = h.wrongCode({ totpSecret: setup.secret });
  expect((await api.post<Answer>("/v1/auth/mfa/verify", { code: wrong })).body.code).toBe("invalid_code");
  await h.events();
  const enrolled = { ...person, totpSecret: setup.secret };
  const done = await api.post<Answer>("/v1/auth/mfa/verify", { code: h.code(enrolled) });
  expect(done).toMatchObject({ status: 200, body: { enabled: true, tokenType: "Bearer" } });
  expect((await h.events()).map((event) => event.type)).toEqual([
    "medvault.auth.mfa.enabled.v1",
    "medvault.auth.session.started.v1",
    "medvault.auth.session.ended.v1",
  ]);
  expect(await h.redis.client.exists(`session:${enrolling.body.sessionId}`)).toBe(0);
  const full = await h.withToken(done.body.accessToken);
  expect(full.actor.amr).toEqual(["pwd", "otp", "mfa"]);
  expect((await full.get("/v1/auth/me")).body).toMatchObject({ id: person.account.id, mfaEnabled: true });
  expect((await full.get("/v1/auth/mfa/status")).body).toEqual({
    enabled: true,
    requiredForRole: true,
    methods: ["totp", "recovery_code"],
    recoveryCodesLeft: 10,
  });
  // The code that enrolled is used up.
  const again = await login(person);
  expect((await challenge(again.body.mfaToken, h.code(enrolled))).status).toBe(401);
  expect((await challenge(again.body.mfaToken, h.code(enrolled, 1))).status).toBe(200);
});

test("a password alone gives no tokens where a second factor is enrolled, and the right code does", async () => {
  const person = await h.person("admin");
  const first = await login(person);
  expect(first.body).toMatchObject({ mfaRequired: true, methods: ["totp", "recovery_code"] });
  expect(first.body).not.toHaveProperty("accessToken");
  const done = await challenge(first.body.mfaToken, h.code(person));
  expect(done.status).toBe(200);
  expect((await challenge(first.body.mfaToken, h.code(person, 1))).body.code).toBe("mfa_token_invalid");
});

test("the second half of a sign-in must come within five minutes", async () => {
  const person = await h.person("doctor");
  const { body } = await login(person);
  h.advance(5 * 60_000);
  expect((await challenge(body.mfaToken, h.code(person))).body.code).toBe("mfa_token_invalid");
});

test("a code is good once, a step back and ahead, and not two", async () => {
  const person = await h.person("auditor");
  const attempt = async (steps: number) =>
    challenge((await login(person)).body.mfaToken, h.code(person, steps));
  expect((await attempt(-2)).status).toBe(401);
  expect((await attempt(-1)).status).toBe(200);
  expect((await attempt(-1)).status).toBe(401);
  expect((await attempt(0)).status).toBe(200);
  expect((await attempt(1)).status).toBe(200);
  expect((await attempt(0)).status).toBe(401); // an older step than the last one used
  expect((await attempt(2)).status).toBe(401);
});

test("of 50 uses of one code at once one wins, and the account is not locked by them", async () => {
  const person = await h.person("doctor");
  const tokens = await Promise.all(
    Array.from({ length: 10 }, async () => (await login(person)).body.mfaToken),
  );
  const usable = tokens.filter((token) => token !== undefined);
  const code = h.code(person);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => challenge(usable[i % usable.length] ?? "", code)),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.every(({ status }) => [200, 401, 429].includes(status))).toBe(true);
  expect((await challenge((await login(person)).body.mfaToken, h.code(person, 1))).status).toBe(200);
});

test("wrong codes count toward the lockout, and a new sign-in does not begin the count again", async () => {
  const person = await h.person("doctor");
  const wrong = h.wrongCode(person);
  for (let i = 0; i < 5; i++) {
    const { body } = await login(person);
    expect(await challenge(body.mfaToken, wrong)).toMatchObject({
      status: 401,
      body: { code: "invalid_code" },
    });
  }
  expect(await login(person)).toMatchObject({ status: 429, body: { code: "login_locked" } });
});

test("a recovery code signs in once, however it is typed", async () => {
  const person = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
  const api = await h.withToken((await login(person)).body.accessToken);
  const { body: setup } = await api.post<Setup>("/v1/auth/mfa/setup");
  await api.post("/v1/auth/mfa/verify", { code: h.code({ ...person, totpSecret: setup.secret }) });
  const [first = "", second = ""] = setup.recoveryCodes;
  const typed = first.toLowerCase().replaceAll("-", " ");
  const done = await challenge((await login(person)).body.mfaToken, typed);
  expect(done.status).toBe(200);
  expect((await challenge((await login(person)).body.mfaToken, first)).status).toBe(401);
  const full = await h.withToken(done.body.accessToken);
  expect((await full.get("/v1/auth/mfa/status")).body).toMatchObject({ recoveryCodesLeft: 9 });

  const replaced = await full.post<{ recoveryCodes: string[] }>("/v1/auth/mfa/recovery-codes", {
    password: PASSWORD,
    code: h.code({ ...person, totpSecret: setup.secret }, 1),
  });
  expect(replaced.status).toBe(200);
  expect((await challenge((await login(person)).body.mfaToken, second)).status).toBe(401);
  const fresh = replaced.body.recoveryCodes[0] ?? "";
  expect((await challenge((await login(person)).body.mfaToken, fresh)).status).toBe(200);
  const { rows } = await h.ctx.pool.query<{ row: string }>("select r::text as row from recovery_codes r");
  expect(rows.map((r) => r.row).join()).not.toContain(fresh.replaceAll("-", ""));
});

test("a code with spaces or hyphens is the code, wherever one is given, once, and never a wrong guess", async () => {
  const spaced = (code: string, between: string) => ` ${code.slice(0, 3)}${between}${code.slice(3)} `;
  const person = await h.person("patient", { mfaEnabled: false, totpSecret: null });
  const api = await h.withToken((await login(person)).body.accessToken);
  const { body: setup } = await api.post<Setup>("/v1/auth/mfa/setup");
  const enrolled = { ...person, totpSecret: setup.secret };
  const proof = (steps: number, between: string) => ({
    password: PASSWORD,
    code: spaced(h.code(enrolled, steps), between),
  });
  const verified = await api.post("/v1/auth/mfa/verify", { code: proof(-1, " ").code });
  expect(verified.status).toBe(200);
  for (let i = 0; i < 6; i++) {
    const again = await challenge((await login(person)).body.mfaToken, proof(-1, "-").code);
    expect(again).toMatchObject({ status: 401, body: { code: "invalid_code" } });
  }
  const done = await challenge((await login(person)).body.mfaToken, proof(0, "\u00a0").code);
  expect(done.status).toBe(200);
  const full = await h.withToken(done.body.accessToken);
  expect((await full.post("/v1/auth/step-up", proof(1, "\u2009"))).status).toBe(200);
  h.advance(90_000);
  const renewed = await full.post<Setup>("/v1/auth/mfa/recovery-codes", proof(0, "\u2011"));
  expect(renewed.status).toBe(200);
  const [first = "", second = ""] = renewed.body.recoveryCodes;
  const typed = [...first.replaceAll("-", "")].join("\u00a0");
  expect((await challenge((await login(person)).body.mfaToken, typed)).status).toBe(200);
  const off = { password: PASSWORD, code: second.replaceAll("-", " \u2013 ") };
  expect((await full.post("/v1/auth/mfa/disable", off)).status).toBeLessThan(300);
});

test("a role that must have a second factor cannot give it up, a patient can", async () => {
  const doctor = await h.person("doctor");
  const { api } = await h.client(doctor);
  const refused = await api.post("/v1/auth/mfa/disable", { password: PASSWORD, code: h.code(doctor, 1) });
  expect(refused).toMatchObject({ status: 403, body: { code: "mfa_required_for_role" } });

  const patient = await h.person("patient");
  const own = await h.client(patient);
  const other = await h.client(patient);
  const { body: setup } = await own.api.post<Setup>("/v1/auth/mfa/setup");
  const enrolled = { ...patient, totpSecret: setup.secret };
  const verified = await own.api.post<Answer>("/v1/auth/mfa/verify", { code: h.code(enrolled) });
  expect(verified.body).toEqual({ enabled: true });
  expect(await h.redis.client.exists(`session:${other.tokens.sessionId}`)).toBe(0); // it had no second factor
  expect(await h.redis.client.hget(`session:${own.tokens.sessionId}`, "mfa")).toBe("1");
  expect((await login(patient)).body).toMatchObject({ mfaRequired: true });
  const wrong = await own.api.post("/v1/auth/mfa/disable", { password: "Wrong", code: h.code(enrolled, 1) });
  expect(wrong).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
  const gone = await own.api.post("/v1/auth/mfa/disable", { password: PASSWORD, code: h.code(enrolled, 1) });
  expect(gone.status).toBe(204);
  expect((await login(patient)).body).toHaveProperty("refreshToken");
});

test("the set-up requires a fresh sign-in", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  const stale = await h.withToken(tokens.accessToken, { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect((await stale.post("/v1/auth/mfa/setup")).body).toMatchObject({ code: "step_up_required" });
});

test("step-up wants password and code, and gives a token of the same session with a fresh auth_time", async () => {
  const doctor = await h.person("doctor");
  const { tokens, api } = await h.client(doctor);
  h.advance(20 * 60_000);
  expect((await api.post("/v1/auth/step-up", { password: PASSWORD })).body).toMatchObject({
    code: "invalid_input",
    errors: [{ path: "code" }],
  });
  await h.redis.client.hset(
    `session:${tokens.sessionId}`,
    "idleEnd",
    String(h.ctx.now().getTime() + 15 * 60_000),
  );
  const { body: refreshed } = await h.guest().post<Answer>("/v1/auth/refresh", {
    refreshToken: tokens.refreshToken,
  });
  expect((await h.withToken(refreshed.accessToken)).actor.authTime).toBeLessThan(Date.now() / 1000 - 1000);
  const wrong = await api.post("/v1/auth/step-up", { password: "Wrong-1", code: h.code(doctor) });
  expect(wrong).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
  const done = await api.post<Answer>("/v1/auth/step-up", { password: PASSWORD, code: h.code(doctor) });
  expect(done).toMatchObject({ status: 200, body: { expiresIn: 600, sessionId: tokens.sessionId } });
  expect(done.body).not.toHaveProperty("refreshToken");
  const fresh = await h.withToken(done.body.accessToken);
  expect(Math.abs(fresh.actor.authTime - Date.now() / 1000)).toBeLessThan(120);
  expect(fresh.actor.amr).toEqual(["pwd", "otp", "mfa"]);
  const { body: later } = await h.guest().post<Answer>("/v1/auth/refresh", {
    refreshToken: refreshed.refreshToken,
  });
  expect((await h.withToken(later.accessToken)).actor.authTime).toBeLessThan(Date.now() / 1000 - 1000);
});

test("a password that is too short to stand alone keeps its second factor", async () => {
  h.ctx.passwordCheck = createPasswordCheck("nist", commonWords, null);
  const short = "otters-9";
  const person = await h.person("patient", {
    mfaEnabled: true,
    totpSecret: newTotpSecret(),
    passwordHash: await h.ctx.hasher.hash(short),
  });
  const { api } = await h.client({ ...person, password: short });
  const refused = await api.post("/v1/auth/mfa/disable", { password: short, code: h.code(person, 1) });
  expect(refused).toMatchObject({ status: 400, body: { code: "weak_password" } });
  expect((await api.get("/v1/auth/mfa/status")).body).toMatchObject({ enabled: true });
});
