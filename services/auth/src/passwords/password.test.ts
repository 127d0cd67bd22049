import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

const NEW = "Qz9!new-and-different";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const login = (identifier: string, password: string) =>
  h.guest().post<Answer>("/v1/auth/login", { identifier, password });
const reset = (token: string, newPassword = NEW) =>
  h.guest().post<Answer>("/v1/auth/password/reset", { token, newPassword });
const forgot = (email: string) => h.guest().post("/v1/auth/password/forgot", { email });

test("a changed password ends all other sessions, and the old one is dead", async () => {
  const person = await h.person("patient");
  const [own, other] = [await h.client(person), await h.client(person)];
  const wrong = await own.api.post("/v1/auth/password/change", {
    currentPassword: "Wrong",
    newPassword: NEW,
  });
  expect(wrong).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
  const weak = await own.api.post("/v1/auth/password/change", {
    currentPassword: PASSWORD,
    newPassword: "Password123!",
  });
  expect(weak).toMatchObject({
    status: 400,
    body: { code: "weak_password", errors: [{ path: "newPassword", code: "common_password" }] },
  });
  await h.events();
  const done = await own.api.post("/v1/auth/password/change", {
    currentPassword: PASSWORD,
    newPassword: NEW,
  });
  expect(done.status).toBe(204);
  expect(await h.redis.client.exists(`session:${own.tokens.sessionId}`)).toBe(1);
  expect(await h.redis.client.exists(`session:${other.tokens.sessionId}`)).toBe(0);
  expect((await h.events()).map((e) => [e.type, e.data.decision.reason])).toEqual([
    ["medvault.auth.password.changed.v1", "password_changed"],
    ["medvault.auth.session.ended.v1", "password_changed"],
  ]);
  expect((await login(person.account.username, PASSWORD)).status).toBe(401);
  expect((await login(person.account.username, NEW)).status).toBe(200);
});

test("guessing the present password of a stolen session locks too", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  const guess = (currentPassword: string) =>
    api.post("/v1/auth/password/change", { currentPassword, newPassword: NEW });
  for (let i = 0; i < 5; i++) expect((await guess(`Wrong-${i}`)).status).toBe(401);
  expect(await guess(PASSWORD)).toMatchObject({ status: 429, body: { code: "login_locked" } });
});

test("a mailed reset works once, ends all sessions, and a second factor stays required", async () => {
  const person = await h.person("doctor");
  const { tokens } = await h.client(person);
  await h.events();
  expect((await forgot(person.account.email)).status).toBe(202);
  const token = await h.mailedToken(person.account.email);
  expect(await reset(token, "short")).toMatchObject({ status: 400, body: { code: "weak_password" } });
  expect((await reset(token)).status).toBe(204);
  expect(await reset(token, `${NEW}2`)).toMatchObject({ status: 400, body: { code: "token_invalid" } });
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
  expect((await login(person.account.username, PASSWORD)).status).toBe(401);
  expect((await login(person.account.username, NEW)).body).toMatchObject({ mfaRequired: true });
  const events = await h.events();
  expect(JSON.stringify(events)).not.toContain(token);
  expect(events.map((event) => event.type)).toEqual(
    expect.arrayContaining([
      "medvault.auth.password-reset.requested.v1",
      "medvault.auth.password-reset.mailed.v1",
      "medvault.auth.password.changed.v1",
      "medvault.auth.password-reset.denied.v1",
    ]),
  );
});

test("of ten uses of one reset token at once one wins", async () => {
  const person = await h.person("patient");
  await forgot(person.account.email);
  const token = await h.mailedToken(person.account.email);
  const answers = await Promise.all(Array.from({ length: 10 }, () => reset(token)));
  expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 400)).toHaveLength(9);
});

test("a reset token is dead after an hour, and when a newer one was mailed", async () => {
  const person = await h.person("patient");
  await forgot(person.account.email);
  const first = await h.mailedToken(person.account.email);
  await forgot(person.account.email);
  await expect.poll(() => h.mails.filter((mail) => mail.to === person.account.email).length).toBe(2);
  const second = await h.mailedToken(person.account.email);
  expect(second).not.toBe(first);
  expect((await reset(first)).status).toBe(400);
  h.advance(60 * 60_000 + 1);
  expect((await reset(second)).status).toBe(400);
  expect((await reset("A".repeat(43))).status).toBe(400);
});

test("a forgotten password is answered alike for an address that nobody has, and nobody gets a mail", async () => {
  const person = await h.person("patient");
  h.mails.length = 0;
  const known = await forgot(person.account.email);
  const unknown = await forgot("nobody@clinic.example");
  expect([known.status, known.body]).toEqual([unknown.status, unknown.body]);
  await h.mailedToken(person.account.email);
  expect(h.mails.map((mail) => mail.to)).toEqual([person.account.email]);
});

test("links lead to the configured address, whatever Host the request names", async () => {
  const person = await h.person("patient");
  await h
    .guest()
    .post(
      "/v1/auth/password/forgot",
      { email: person.account.email },
      { headers: { "x-forwarded-host": "evil.example" } },
    );
  await h.mailedToken(person.account.email);
  const mail = h.mails.findLast((known) => known.to === person.account.email);
  expect(mail?.text).toContain("https://medvault.example/reset-password#token=");
  expect(mail?.text).not.toContain("evil");
});

test("strength says why", async () => {
  const ask = (body: object) => h.guest().post("/v1/auth/password/strength", body);
  expect((await ask({ password: "Password123!" })).body).toEqual({
    score: 0,
    acceptable: false,
    reasons: ["common_password"],
  });
  expect((await ask({ password: "Vf7#amelie-Mq-kal", username: "amelie" })).body).toMatchObject({
    acceptable: false,
    reasons: ["like_username"],
  });
  expect((await ask({ password: PASSWORD })).body).toMatchObject({ score: 4, acceptable: true, reasons: [] });
});

test("the present password is no new one, however it is typed", async () => {
  const accented = `${PASSWORD}-\u00e9`;
  const person = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(accented) });
  const { api, tokens } = await h.client({ ...person, password: accented });
  for (const newPassword of [accented, accented.normalize("NFD")]) {
    expect(
      await api.post("/v1/auth/password/change", { currentPassword: accented, newPassword }),
    ).toMatchObject({
      status: 400,
      body: { code: "password_unchanged", errors: [{ path: "newPassword" }] },
    });
  }
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(1);
});

test("a lone surrogate, which would be hashed as U+FFFD, is refused wherever a password is given", async () => {
  const [torn, other] = [`${PASSWORD}\ud800`, `${PASSWORD}\ufffd`];
  const person = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(other) });
  const { api } = await h.client({ ...person, password: other });
  const code = "123456";
  const calls: [string, object, string][] = [
    ["/v1/auth/login", { identifier: person.account.username, password: torn }, "password"],
    ["/v1/auth/login", { identifier: "torn\udc00", password: other }, "identifier"],
    ["/v1/auth/register", { username: "torn", email: "torn@home.example", password: torn }, "password"],
    ["/v1/auth/password/strength", { password: torn }, "password"],
    ["/v1/auth/password/reset", { token: "A".repeat(43), newPassword: torn }, "newPassword"],
    ["/v1/auth/password/change", { currentPassword: torn, newPassword: NEW }, "currentPassword"],
    ["/v1/auth/password/change", { currentPassword: other, newPassword: torn }, "newPassword"],
    ["/v1/auth/step-up", { password: torn }, "password"],
    ["/v1/auth/mfa/disable", { password: torn, code }, "password"],
    ["/v1/auth/mfa/recovery-codes", { password: torn, code }, "password"],
  ];
  for (const [path, body, field] of calls) {
    expect([path, await api.post(path, body)]).toMatchObject([
      path,
      { status: 400, body: { code: "invalid_input", errors: [{ path: field }] } },
    ]);
  }
  expect((await login(person.account.username, other)).status).toBe(200);
});
