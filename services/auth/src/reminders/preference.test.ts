import { loadConfig } from "@medvault/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness } from "../../test/harness.ts";
import { AuthConfig } from "../config.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness({ MEDVAULT_LANGUAGE: "fr", MEDVAULT_CLINIC_TIME_ZONE: "Europe/Paris" });
});
afterAll(() => h?.close());

const PATH = "/v1/auth/preferences";
const given = async () => {
  const person = await h.person("patient");
  return { person, api: (await h.client(person)).api };
};

test("a person says in which language and time zone they are reminded, and of what; each is in the log, no value is", async () => {
  const { person, api } = await given();
  const both = { prescriptions: true, appointments: true };
  expect((await api.get(PATH)).body).toEqual({ language: "fr", timeZone: "Europe/Paris", reminders: both });
  await h.events();
  const chosen = { language: "pl", timeZone: "Asia/Tokyo", reminders: { appointments: false } };
  const after = { ...chosen, reminders: { prescriptions: true, appointments: false } };
  expect(await api.patch(PATH, chosen)).toMatchObject({ status: 200, body: after });
  expect((await api.get(PATH)).body).toEqual(after);
  const events = await h.events();
  expect(events).toMatchObject([
    {
      type: "medvault.auth.preferences.changed.v1",
      subject: `user/${person.account.id}`,
      data: { fields: ["language", "timeZone", "reminders.appointments"] },
    },
    { type: "medvault.auth.preferences.read.v1" },
  ]);
  expect(JSON.stringify(events)).not.toMatch(/Tokyo/);
  const { rows } = await h.ctx.pool.query("select u::text from users u where id = $1", [person.account.id]);
  expect(JSON.stringify(rows)).not.toMatch(/Tokyo|appointments/);
});

test("null is what the installation has, what is left out stays, and each kind is turned on again", async () => {
  const { api } = await given();
  await api.patch(PATH, { language: "de", timeZone: "UTC", reminders: { prescriptions: false } });
  expect((await api.patch(PATH, { language: null })).body).toMatchObject({ language: "fr", timeZone: "UTC" });
  expect((await api.patch(PATH, {})).body).toMatchObject({ reminders: { prescriptions: false } });
  const on = await api.patch(PATH, { timeZone: null, reminders: { prescriptions: true } });
  expect(on.body).toMatchObject({ timeZone: "Europe/Paris", reminders: { prescriptions: true } });
});

test.each([
  { language: "xx" },
  { language: "EN" },
  { timeZone: "" },
  { timeZone: "Mars/Olympus" },
  { timeZone: "+01:00" },
  { timeZone: "Europe/../Paris" },
  { timeZone: "A".repeat(65) },
  { reminders: { prescriptions: "no" } },
  { reminders: { everything: false } },
  { reminders: null },
  { userId: "another" },
])("%o is refused, and changes nothing", async (patch) => {
  const { api } = await given();
  expect(await api.patch(PATH, patch)).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  expect((await api.get(PATH)).body).toMatchObject({ language: "fr", timeZone: "Europe/Paris" });
});

test("nobody's preferences are read or changed without signing in as them", async () => {
  expect((await h.guest().get(PATH)).status).toBe(401);
  expect((await h.guest().patch(PATH, { language: "de" })).status).toBe(401);
});

test.each([
  ["MEDVAULT_REMINDER_HOURS", "20:00-08:00"],
  ["MEDVAULT_LANGUAGE", "xx"],
  ["MEDVAULT_CLINIC_TIME_ZONE", "Mars/Olympus"],
])("%s %s is a refused start", (name, value) => {
  expect(() => loadConfig(AuthConfig, { [name]: value })).toThrow(name);
});
