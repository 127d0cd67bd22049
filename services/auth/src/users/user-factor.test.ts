import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { type Creation, SoftAuthenticator } from "../../test/soft-authenticator.ts";

let h: Harness;
let admin: Person;
let api: Awaited<ReturnType<Harness["client"]>>["api"];
let adminToken: string;
beforeAll(async () => {
  h = await createHarness();
});
beforeEach(async () => {
  admin = await h.person("admin");
  const signedIn = await h.client(admin);
  [api, adminToken] = [signedIn.api, signedIn.tokens.accessToken];
});
afterAll(() => h.close());

const factor = ({ account }: Person, name: string) => `/v1/users/${account.id}/factors/${name}`;
const factorsOf = async ({ account }: Person) =>
  (
    await api.get<
      Answer & { factors: { totp: boolean; passkeys: { id: string }[]; recoveryCodesLeft: number } }
    >(`/v1/users/${account.id}`)
  ).body.factors;
const login = ({ account }: Person) =>
  h.guest().post<Answer>("/v1/auth/login", { identifier: account.username, password: PASSWORD });
async function mailsTo({ account }: Person) {
  await expect
    .poll(async () => (await h.ctx.pool.query("select from mails where parked_at is null")).rowCount)
    .toBe(0);
  return h.mails.filter((mail) => mail.to === account.email).map(({ text }) => text.split(" at ")[0]);
}
async function addPasskey(person: Person) {
  const { api: own, tokens } = await h.client(person);
  const authenticator = new SoftAuthenticator("https://medvault.example");
  const options = (await own.post<Creation>("/v1/auth/passkeys/register/options")).body;
  const { body } = await own.post<Answer>("/v1/auth/passkeys/register/verify", authenticator.create(options));
  h.advance(30_000); // the next TOTP step
  return { id: String(body.id), authenticator, sessionId: tokens.sessionId };
}
const signInBy = async (authenticator: SoftAuthenticator) => {
  const asked = await h.guest().post<never>("/v1/auth/passkeys/login/options", {});
  return h.guest().post<Answer>("/v1/auth/passkeys/login/verify", authenticator.get(asked.body));
};

test("an admin removes the authenticator app of a doctor, who is told, signed out, and sets up another", async () => {
  const doctor = await h.person("doctor");
  const { tokens } = await h.client(doctor);
  const { mfaToken } = (await login(doctor)).body;
  expect(await factorsOf(doctor)).toEqual({ totp: true, passkeys: [], recoveryCodesLeft: 0 });
  await h.events();
  expect((await api.delete(factor(doctor, "totp"))).status).toBe(204);
  expect((await h.events()).map((e) => [e.type, e.subject, e.data.actor?.id])).toEqual([
    ["medvault.auth.mfa.disabled.v1", `user/${doctor.account.id}`, admin.account.id],
    ["medvault.auth.session.ended.v1", `session/${tokens.sessionId}`, admin.account.id],
  ]);
  expect(await mailsTo(doctor)).toEqual(["An administrator removed the authenticator app of your account"]);
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
  h.advance(30_000);
  const half = await h.guest().post<Answer>("/v1/auth/mfa/challenge", { mfaToken, code: h.code(doctor) });
  expect(half.body.code).toBe("mfa_token_invalid");
  expect((await login(doctor)).body).toMatchObject({ mfaEnrollmentRequired: true });
  expect((await api.delete(factor(doctor, "totp"))).status).toBe(404);
});

test("one passkey is removed, or all of them; another factor, and its recovery codes, stay", async () => {
  const doctor = await h.person("doctor");
  const [one, two] = [await addPasskey(doctor), await addPasskey(doctor)];
  api = await h.withToken(adminToken);
  expect((await factorsOf(doctor)).passkeys.map(({ id }) => id)).toEqual([one.id, two.id]);
  expect(JSON.stringify(await factorsOf(doctor))).not.toMatch(/name|publicKey|credential/);
  expect((await api.delete(factor(doctor, one.id))).status).toBe(204);
  expect((await signInBy(one.authenticator)).status).toBe(401);
  expect((await signInBy(two.authenticator)).status).toBe(200);
  expect((await api.delete(factor(doctor, "passkeys"))).status).toBe(204);
  expect((await signInBy(two.authenticator)).status).toBe(401);
  expect((await login(doctor)).body).toMatchObject({ mfaRequired: true, methods: ["totp", "recovery_code"] });
  expect((await mailsTo(doctor)).slice(2)).toEqual(
    Array(2).fill("An administrator removed passkeys of your account"),
  );
});

test("with a patient's last factor the recovery codes go, and the password is enough again", async () => {
  const patient = await h.person("patient");
  const { id } = await addPasskey(patient);
  api = await h.withToken(adminToken);
  expect(await factorsOf(patient)).toMatchObject({ totp: false, recoveryCodesLeft: 10 });
  expect((await api.delete(factor(patient, id))).status).toBe(204);
  expect(await factorsOf(patient)).toEqual({ totp: false, passkeys: [], recoveryCodesLeft: 0 });
  expect((await login(patient)).body).toHaveProperty("accessToken");
});

test("an admin does not get around their own password this way", async () => {
  const own = await api.delete<Answer>(factor(admin, "totp"));
  expect([own.status, own.body.code]).toEqual([409, "would_lock_out"]);
  expect((await h.events()).at(-1)).toMatchObject({ type: "medvault.auth.rights.kept.v1" });
  expect((await login(admin)).body).toMatchObject({ mfaRequired: true });
  const other = await h.person("admin");
  expect((await api.delete(factor(other, "totp"))).status).toBe(204);
});

test("removing a factor takes a fresh sign-in and the permission, and names what is there", async () => {
  const doctor = await h.person("doctor");
  const { id } = await addPasskey(await h.person("doctor"));
  const stale = await h.withToken(adminToken, { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect((await stale.delete<Answer>(factor(doctor, "totp"))).body.code).toBe("step_up_required");
  for (const role of ["patient", "doctor", "auditor"] as const) {
    const { api: other } = await h.client(await h.person(role));
    expect((await other.delete(factor(doctor, "totp"))).status).toBe(403);
  }
  expect((await h.guest().delete(factor(doctor, "totp"))).status).toBe(401);
  api = await h.withToken(adminToken);
  for (const name of ["passkeys", id, "recovery-codes", "TOTP", "nothing"]) {
    expect((await api.delete(factor(doctor, name))).status, name).toBe(404);
  }
  expect((await api.delete("/v1/users/not-an-id/factors/totp")).status).toBe(404);
  expect((await login(doctor)).body).toMatchObject({ mfaRequired: true });
});

test("of two admins who remove one factor at once one does, and the person is told once", async () => {
  const doctor = await h.person("doctor");
  const answers = await Promise.all([api.delete(factor(doctor, "totp")), api.delete(factor(doctor, "totp"))]);
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 404]);
  expect(await mailsTo(doctor)).toHaveLength(1);
});
