import { loadConfig } from "@medvault/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness, PASSWORD } from "../test/harness.ts";
import { AuthConfig } from "./config.ts";
import { lifeText } from "./mail/mail.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness({
    MEDVAULT_SESSIONS_PER_USER: "2",
    MEDVAULT_SESSION_WARNING_SECONDS: "300",
    MEDVAULT_MFA_ISSUER: "Harbour Clinic",
    MEDVAULT_RESET_MINUTES: "15",
    MEDVAULT_INVITATION_HOURS: "12",
    MEDVAULT_PASSWORD_MIN_CHARACTERS: "20",
  });
});
afterAll(() => h?.close());

const LONG = "Vf7#kaleidoscope-Mq-Borneo";
const mailTo = async (email: string) => {
  await expect.poll(() => h.mails.some(({ to }) => to === email)).toBe(true);
  return h.mails.findLast(({ to }) => to === email)?.text ?? "";
};
const MINUTE_MS = 60_000;

test("an operator says how many sessions an account has, and when a client warns", async () => {
  const name = "settings-register";
  const registered = { username: name, email: `${name}@home.example`, password: LONG };
  const made = await h.guest().post<{ id: string }>("/v1/auth/register", registered);
  expect(made.status).toBe(201);
  const { api } = await h.client(await h.person("admin"));
  expect((await api.get(`/v1/users/${made.body.id}`)).body).toMatchObject({ maxConcurrent: 2 });
  const invited = { username: "settings-invited", email: "settings-invited@home.example", role: "doctor" };
  expect((await api.post("/v1/users", invited)).body).toMatchObject({ maxConcurrent: 2 });
  expect(await mailTo(invited.email)).toContain("the link is good for 12 hours, once");
  expect((await api.get("/v1/auth/me")).body).toMatchObject({ idleWarningSeconds: 300 });
});

test("an authenticator app shows the operator's name", async () => {
  const { api } = await h.client(await h.person("patient"));
  const { otpauthUrl } = (await api.post<{ otpauthUrl: string }>("/v1/auth/mfa/setup")).body;
  expect(new URL(otpauthUrl).searchParams.get("issuer")).toBe("Harbour Clinic");
});

test("a link to a new password is good for as long as the operator says, and its mail says it", async () => {
  const forgotten = async () => {
    const person = await h.person("patient");
    await h.guest().post("/v1/auth/password/forgot", { email: person.account.email });
    expect(await mailTo(person.account.email)).toContain("the link is good for 15 minutes, once");
    return h.mailedToken(person.account.email);
  };
  const [early, late] = [await forgotten(), await forgotten()];
  const reset = (token: string) => h.guest().post("/v1/auth/password/reset", { token, newPassword: LONG });
  h.advance(14 * MINUTE_MS);
  expect((await reset(early)).status).toBe(204);
  h.advance(2 * MINUTE_MS);
  expect(await reset(late)).toMatchObject({ status: 400, body: { code: "token_invalid" } });
});

test("a password shorter than the operator wants is refused, though the policy would take it", async () => {
  const rate = (password: string) =>
    h.guest().post<{ reasons: string[] }>("/v1/auth/password/strength", { password });
  expect((await rate(PASSWORD)).body).toMatchObject({ acceptable: false, reasons: ["too_short"] });
  expect((await rate(LONG)).body).toMatchObject({ acceptable: true, reasons: [] });
});

test.each([
  ["MEDVAULT_SESSIONS_PER_USER", ["0", "51", "many"]],
  ["MEDVAULT_SESSION_WARNING_SECONDS", ["9", "3601"]],
  ["MEDVAULT_MFA_ISSUER", ["A:B", "A\nB", "x".repeat(51)]],
  ["MEDVAULT_RESET_MINUTES", ["4", "1441"]],
  ["MEDVAULT_INVITATION_HOURS", ["0", "721"]],
  ["MEDVAULT_PASSWORD_MIN_CHARACTERS", ["7", "65"]],
])("%s beyond its bounds is a refused start", (name, values) => {
  for (const value of values) expect(() => loadConfig(AuthConfig, { [name]: value })).toThrow(name);
});

test.each([
  [15 * MINUTE_MS, "15 minutes"],
  [60 * MINUTE_MS, "1 hour"],
  [90 * MINUTE_MS, "90 minutes"],
  [24 * 60 * MINUTE_MS, "1 day"],
  [72 * 60 * MINUTE_MS, "3 days"],
])("%i ms are %s", (ms, text) => {
  expect(lifeText(ms)).toBe(text);
});
