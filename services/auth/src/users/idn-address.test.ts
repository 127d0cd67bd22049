import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const login = (identifier: string) =>
  h.guest().post<Answer>("/v1/auth/login", { identifier, password: PASSWORD });

test("an internationalised address and its ASCII form are one, mailed to in ASCII, shown in its letters", async () => {
  const { api } = await h.client(await h.person("admin"));
  const invite = (username: string, email: string) =>
    api.post<Answer>("/v1/users", { username, email, role: "patient" });
  const made = await invite("idn-one", "a@münchen.de");
  expect(made).toMatchObject({ status: 201, body: { email: "a@münchen.de" } });
  const token = await h.mailedToken("a@xn--mnchen-3ya.de");
  const reset = await h.guest().post("/v1/auth/password/reset", { token, newPassword: PASSWORD });
  expect(reset.status).toBe(204);
  for (const same of ["a@xn--mnchen-3ya.de", "A@MÜNCHEN.de", "a@mu\u0308nchen.de"])
    expect(await invite("idn-two", same), same).toMatchObject({ status: 409, body: { code: "email_taken" } });
  // Accents make another domain.
  expect((await invite("idn-three", "a@munchen.de")).status).toBe(201);
  for (const identifier of ["a@münchen.de", "a@xn--mnchen-3ya.de", " A@München.DE "]) {
    const answer = await login(identifier);
    expect(answer.status, identifier).toBe(200);
    const me = await (await h.withToken(answer.body.accessToken)).get<Answer>("/v1/auth/me");
    expect(me.body).toMatchObject({ id: made.body.id, email: "a@münchen.de" });
  }
  const sent = h.mails.length;
  expect((await h.guest().post("/v1/auth/password/forgot", { email: "a@MÜNCHEN.de" })).status).toBe(202);
  await vi.waitFor(() => expect(h.mails.length).toBeGreaterThan(sent));
  expect(h.mails.every(({ to }) => /^[\x21-\x7e]+$/.test(to))).toBe(true);
});

test("someone registers with an internationalised address; what is no domain is refused", async () => {
  const register = (username: string, email: string) =>
    h.guest().post<Answer>("/v1/auth/register", { username, email, password: PASSWORD });
  expect(await register("idn-rus", "info@пример.рф")).toMatchObject({
    status: 201,
    body: { email: "info@пример.рф" },
  });
  for (const email of ["a@xn--a.de", "a@раураl.com", "a@mün\u200bchen.de", "a@ü"])
    expect(await register("idn-none", email), email).toMatchObject({
      status: 400,
      body: { errors: [{ path: "email", code: "invalid_format", message: "must be a mail address" }] },
    });
});
