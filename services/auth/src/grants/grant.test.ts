import type { TestAnswer } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { type Creation, type Request, SoftAuthenticator } from "../../test/soft-authenticator.ts";
import { lockAccount, saveAccount } from "../accounts/account.store.ts";
import { accountToken } from "../lockout/bucket.ts";
import { newTotpSecret, totpStep } from "../mfa/totp.ts";
import { changeSessions } from "../sessions/session.service.ts";
import type { Grant } from "./gate.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

type Act = () => Promise<TestAnswer<Answer>>;
/** Makes a person who may get something; `act` asks for it. */
type Scenario = () => Promise<{ person: Person; act: Act; sessionId?: string; mailed?: boolean }>;
const WRONG_CODE = "000000";
/** A secret whose code this is not now: of each three in a million it is. */
function secretWithout(code: string): string {
  const secret = newTotpSecret();
  return totpStep(secret, code, h.ctx.now()) === null ? secret : secretWithout(code);
}
const NEW_PASSWORD = "Jw4!saxifrage-Tundra";

async function challenged(code: (person: Person) => string | Promise<string>) {
  const person = await h.person("doctor");
  const answered = await codes(person);
  const { body } = await h.guest().post<Answer>("/v1/auth/login", identityOf(person));
  const given = await code({ ...person, ...answered });
  const act = () =>
    h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken: body.mfaToken, code: given });
  return { person, act };
}
const identityOf = (person: Person) => ({
  identifier: person.account.username,
  password: person.password,
});

/** Recovery codes of their own; ends the session that asked for them. */
async function codes(person: Person): Promise<{ recovery: string[] }> {
  const { api } = await h.client(person);
  h.advance(30_000);
  const { body } = await api.post<{ recoveryCodes: string[] }>("/v1/auth/mfa/recovery-codes", {
    password: PASSWORD,
    code: h.code(person),
  });
  await api.post("/v1/auth/logout");
  h.advance(30_000);
  return { recovery: body.recoveryCodes };
}

// Every grant, by its type: a new one does not compile until it is tried here.
const scenarios: { [By in Grant["by"]]: Scenario } = {
  async password() {
    const person = await h.person("patient");
    return { person, act: () => h.guest().post<Answer>("/v1/auth/login", identityOf(person)) };
  },
  totp: () => challenged((person) => h.code(person)),
  recovery_code: () => challenged((person) => (person as Person & { recovery: string[] }).recovery[0] ?? ""),
  async passkey() {
    const person = await h.person("doctor");
    const authenticator = new SoftAuthenticator(h.ctx.settings.publicUrl);
    const { api } = await h.client(person);
    const creation = await api.post<Creation>("/v1/auth/passkeys/register/options");
    const made = await api.post("/v1/auth/passkeys/register/verify", authenticator.create(creation.body));
    expect(made.status).toBe(201);
    await api.post("/v1/auth/logout");
    const { body } = await h.guest().post<Request>("/v1/auth/passkeys/login/options");
    const assertion = authenticator.get(body);
    return { person, act: () => h.guest().post<Answer>("/v1/auth/passkeys/login/verify", assertion) };
  },
  async enrollment() {
    const person = await h.person("doctor", { mfaEnabled: false, totpSecret: null });
    const { body } = await h.guest().post<Answer>("/v1/auth/login", identityOf(person));
    const api = await h.withToken(body.accessToken);
    const setup = await api.post<{ secret: string }>("/v1/auth/mfa/setup");
    const code = h.code({ ...person, totpSecret: setup.body.secret });
    return {
      person,
      sessionId: body.sessionId,
      act: () => api.post<Answer>("/v1/auth/mfa/verify", { code }),
    };
  },
  async refresh() {
    const person = await h.person("patient");
    const { tokens } = await h.client(person);
    const { refreshToken } = tokens;
    return {
      person,
      sessionId: tokens.sessionId,
      act: () => h.guest().post<Answer>("/v1/auth/refresh", { refreshToken }),
    };
  },
  async step_up() {
    const person = await h.person("patient");
    const { tokens, api } = await h.client(person);
    return {
      person,
      sessionId: tokens.sessionId,
      // A code that nobody asks for is not looked at; one that is asked for is wrong.
      act: () => api.post<Answer>("/v1/auth/step-up", { password: PASSWORD, code: WRONG_CODE }),
    };
  },
  async reset() {
    const person = await h.person("patient");
    await h.guest().post("/v1/auth/password/forgot", { email: person.account.email });
    const token = await h.mailedToken(person.account.email);
    return { person, mailed: true, act: () => byMail(token) };
  },
  async invitation() {
    const { api: admin } = await h.client(await h.person("admin"));
    const name = `invited-${Math.random().toString(36).slice(2)}`;
    const email = `${name}@clinic.example`;
    const { body } = await admin.post<Answer>("/v1/users", { username: name, email, role: "patient" });
    const { account } = await h.person("patient");
    const person = { account: { ...account, id: String(body.id) }, password: NEW_PASSWORD, totpSecret: null };
    const token = await h.mailedToken(email);
    return { person, mailed: true, act: () => byMail(token) };
  },
};
const byMail = (token: string) =>
  h.guest().post<Answer>("/v1/auth/password/reset", { token, newPassword: NEW_PASSWORD });

const change = (person: Person, patch: object) =>
  changeSessions(h.ctx, async ({ tx }) => {
    const locked = await lockAccount(tx, h.ctx, person.account.id);
    if (locked) await saveAccount(tx, h.ctx, { ...locked, ...patch }, h.ctx.now());
  });

type Made = Awaited<ReturnType<Scenario>>;
/** What goes wrong between the proof and the grant; null: it cannot happen to this grant. */
const conditions: Record<string, (by: string) => ((made: Made) => Promise<unknown>) | null> = {
  "the account is locked":
    () =>
    async ({ person }) => {
      const account = accountToken(h.ctx, { id: person.account.id });
      // Every bucket of the account, as after five wrong guesses in each.
      const { person: _other, ...guess } = { person, identifier: person.account.username, password: "wrong" };
      for (let i = 0; i < 5; i++) await h.guest().post("/v1/auth/login", guess);
      await h.ctx.pool.query(
        `insert into login_lanes (lane, account, attempts, failures, locked_until) values ($1, $1, '{}', '{}', $2)
       on conflict (lane) do update set locked_until = excluded.locked_until`,
        [account, new Date(h.ctx.now().getTime() + 3600_000)],
      );
    },
  "the account is disabled":
    () =>
    ({ person }) =>
      change(person, { disabled: true }),
  "the account is deleted":
    () =>
    async ({ person }) => {
      const { api: admin } = await h.client(await h.person("admin"));
      expect((await admin.delete(`/v1/users/${person.account.id}`)).status).toBe(204);
    },
  // A password does not run out: the session, the half-finished sign-in and the mailed token do.
  "what it stands on has run out": (by) =>
    by === "password" ? null : async (made) => h.advance(made.mailed ? 73 * 3600_000 : 8 * 24 * 3600_000),
  "a second factor is required meanwhile": (by) =>
    ["refresh", "step_up"].includes(by)
      ? ({ person }) => change(person, { mfaEnabled: true, totpSecret: secretWithout(WRONG_CODE) })
      : null,
  "the session has ended": (by) =>
    ["enrollment", "refresh", "step_up"].includes(by)
      ? ({ sessionId }) =>
          h.ctx.pool.query(`update sessions set ended_at = $2, end_reason = 'logout' where id = $1`, [
            sessionId,
            h.ctx.now(),
          ])
      : null,
  "the permission version is old": (by) => {
    // A session outlives a change of its role's permissions, but not of its role.
    if (["refresh", "step_up"].includes(by)) return ({ person }) => change(person, { role: "auditor" });
    if (!["totp", "recovery_code", "enrollment"].includes(by)) return null;
    return async ({ person }) => {
      const role = person.account.role;
      await h.ctx.pool.query(`update roles set version = version + 1 where role = $1`, [role]);
    };
  },
};

const sessionsOf = async (person: Person) => {
  const { rows } = await h.ctx.pool.query("select id from sessions where user_id = $1 order by id", [
    person.account.id,
  ]);
  return rows;
};

for (const [by, scenario] of Object.entries(scenarios)) {
  test(`the grant by ${by} works when nothing is wrong`, async () => {
    const { act } = await scenario();
    expect((await act()).status).toBeLessThan(300);
  });
  for (const [condition, apply] of Object.entries(conditions)) {
    const happens = apply(by);
    if (!happens) continue;
    test(`the grant by ${by} is refused, with an event, when ${condition}`, async () => {
      const made = await scenario();
      await happens(made);
      const before = await sessionsOf(made.person);
      await h.events();
      const answer = await made.act();
      expect([400, 401, 429]).toContain(answer.status);
      expect(answer.body).not.toHaveProperty("accessToken");
      expect(await sessionsOf(made.person)).toEqual(before);
      const denied = (await h.events()).filter((event) => event.data.outcome === "denied");
      expect(denied).not.toEqual([]);
    });
  }
}

test("a password's sign-in counts the permission version of its own moment: nothing lies between", async () => {
  const made = await scenarios.password();
  await h.ctx.pool.query(`update roles set version = version + 1 where role = 'patient'`);
  const { rows } = await h.ctx.pool.query<{ version: number }>(
    `select version from roles where role = 'patient'`,
  );
  const { body } = await made.act();
  const claims = JSON.parse(Buffer.from(body.accessToken.split(".")[1] ?? "", "base64url").toString());
  expect(claims.pv).toBe(rows[0]?.version);
});
