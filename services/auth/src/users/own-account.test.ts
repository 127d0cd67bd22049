import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const register = (body: object) => h.guest().post<Answer>("/v1/auth/register", body);
const fresh = (username: string) => ({ username, email: `${username}@home.example`, password: PASSWORD });

test("a patient registers and signs in by either name", async () => {
  await h.events();
  const made = await register(fresh("New-Patient"));
  expect(made).toMatchObject({
    status: 201,
    body: { username: "New-Patient", email: "New-Patient@home.example", role: "patient" },
  });
  expect(Object.keys(made.body).sort()).toEqual(["email", "id", "role", "username"]);
  for (const identifier of ["new-patient", "NEW-PATIENT@home.example"]) {
    expect((await h.guest().post("/v1/auth/login", { identifier, password: PASSWORD })).status).toBe(200);
  }
  const [event] = await h.events();
  expect(event).toMatchObject({
    type: "medvault.auth.user.registered.v1",
    subject: `user/${made.body.id}`,
    data: { details: { rev: 1, role: "patient", boxSha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  });
  expect(JSON.stringify(event)).not.toMatch(/new-patient/i);
});

test.each([
  ["a role", { role: "admin" }],
  ["an unknown field", { admin: true }],
  ["a bad name", { username: "no spaces" }],
  ["a short name", { username: "ab" }],
  ["a bad address", { email: "nobody" }],
])("registering with %s is refused", async (_what, extra) => {
  expect(await register({ ...fresh("refused-one"), ...extra })).toMatchObject({
    status: 400,
    body: { code: "invalid_input" },
  });
});

test("a weak password is refused with its reasons", async () => {
  expect(await register({ ...fresh("weakling"), password: "weakling1" })).toMatchObject({
    status: 400,
    body: {
      code: "weak_password",
      errors: expect.arrayContaining([
        { path: "password", code: "like_username", message: "is too much like the username" },
      ]),
    },
  });
});

test("a taken name is refused; a taken address is answered as a new one, and its owner gets a mail", async () => {
  const { account } = await h.person("patient");
  expect(await register({ ...fresh("x"), username: account.username.toUpperCase() })).toMatchObject({
    status: 409,
    body: { code: "username_taken" },
  });
  const taken = await register({ ...fresh("other-name"), email: account.email });
  expect(taken).toMatchObject({ status: 201, body: { username: "other-name", email: account.email } });
  await expect
    .poll(() => h.mails.find((mail) => mail.to === account.email)?.text)
    .toContain("has one already");
  const both = await register({ username: account.username, email: account.email, password: PASSWORD });
  expect(both.body.code).toBe("username_taken");
  expect((await h.events()).at(-1)?.data.decision.reason).toBe("username_taken");
});

test("of ten registrations of one name at once one wins", async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => register({ ...fresh("wanted"), email: `w${i}@home.example` })),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(9);
});

test("the caller sees their account, and changes the name by its revision", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  const me = await api.get<Answer>("/v1/auth/me");
  expect(me.body).toMatchObject({
    id: person.account.id,
    email: person.account.email,
    emailConfirmed: true,
    role: "patient",
    mfaEnabled: false,
    mfaRequired: false,
  });
  expect(me.body).not.toHaveProperty("passwordHash");
  expect(me.headers.get("etag")).toBe('"1"');
  const renamed = await api.patch<Answer>(
    "/v1/auth/me",
    { username: "Renamed-1" },
    { headers: { "if-match": '"1"' } },
  );
  expect(renamed).toMatchObject({ status: 200, body: { username: "Renamed-1" } });
  const stale = await api.patch("/v1/auth/me", { username: "Renamed-2" }, { headers: { "if-match": '"1"' } });
  expect(stale).toMatchObject({ status: 412, body: { code: "version_conflict" } });
  expect((await api.patch("/v1/auth/me", { role: "admin" })).status).toBe(400);
  const old = await h
    .guest()
    .post("/v1/auth/login", { identifier: person.account.username, password: PASSWORD });
  expect(old.status).toBe(401);
});

test("a new address takes effect by its mailed link; one that is taken is answered alike", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  const wanted = await api.patch<Answer>("/v1/auth/me", { email: "moved@home.example" });
  expect(wanted).toMatchObject({ status: 200, body: { email: person.account.email } });
  const token = await h.mailedToken("moved@home.example");
  expect((await h.guest().post("/v1/auth/email/verify", { token })).status).toBe(204);
  expect((await h.guest().post<Answer>("/v1/auth/email/verify", { token })).body.code).toBe("token_invalid");
  expect((await api.get("/v1/auth/me")).body).toMatchObject({ email: "moved@home.example" });

  const other = await h.person("patient");
  const taken = await api.patch<Answer>("/v1/auth/me", { email: other.account.email });
  expect(taken).toMatchObject({ status: 200, body: { email: "moved@home.example" } });
  const mailed = () => h.mails.filter(({ to }) => to === other.account.email).map(({ subject }) => subject);
  await expect.poll(mailed).toEqual(["You have a MedVault account"]);
  expect(h.mails.filter(({ subject }) => subject === "Confirm your address")).toHaveLength(1);
});

test("changing the account requires a fresh sign-in", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  const stale = await h.withToken(tokens.accessToken, { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect((await stale.patch<Answer>("/v1/auth/me", { username: "later" })).body.code).toBe(
    "step_up_required",
  );
});
